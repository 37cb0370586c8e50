"""The worker that ends by itself: --once and --drain."""

from pathlib import Path

from sqlalchemy import Engine

from schema import queues
from schema.runtime.settings import Settings
from schema.runtime.stopping import Stopping
from schema.runtime.transactions import transaction
from tests.processes import Start
from tests.rows import attempts, claim, make, row, rows, succeed
from tests.waiting import wait_for
from tests.worker.command import HANDLERS, postpone, ran, status_of, write_module
from tools.servers import Database
from worker.handlers import load
from worker.worker import Worker

CHAIN = """
from worker import handler

@handler("chain")
async def chain(context, payload):
    await context.enqueue(title="next", task_type="chain")
"""


class TestOnce:
    def test_what_is_due_is_run_and_what_is_due_later_is_left(
        self, engine: Engine, start: Start
    ) -> None:
        due = make(engine, 30, task_type="noop")
        (later,) = make(engine, task_type="noop")
        postpone(engine, later, 3600)

        worker = ran(start, "--once")

        assert worker.wait() == 0
        assert set(status_of(engine, *due)) == {"done"}
        assert row(engine, later)["fence"] == 0
        assert rows(engine, "SELECT status FROM workers") == [{"status": "stopped"}]
        assert not worker.errors.read_text()

    def test_with_nothing_due_it_ends(self, engine: Engine, start: Start) -> None:
        assert ran(start, "--once").wait() == 0
        assert rows(engine, "SELECT status FROM workers") == [{"status": "stopped"}]

    def test_a_retry_is_left(self, engine: Engine, start: Start) -> None:
        (task_id,) = make(engine, task_type="fail")

        assert ran(start, "--once", RETRY_BACKOFF_SECONDS="300").wait() == 0

        assert status_of(engine, task_id) == ["retrying"]
        assert len(attempts(engine, task_id)) == 1

    def test_what_runs_may_end_however_long_the_grace_is(
        self, engine: Engine, start: Start
    ) -> None:
        (task_id,) = make(engine, task_type="sleep", payload={"seconds": 1})

        assert ran(start, "--once", WORKER_GRACE_SECONDS="0.1").wait() == 0

        assert status_of(engine, task_id) == ["done"]

    def test_it_ends_although_tasks_create_tasks_for_ever(
        self, engine: Engine, start: Start, tmp_path: Path
    ) -> None:
        (task_id,) = make(engine, task_type="chain")

        worker = ran(start, "--once", **write_module(tmp_path, "chained", CHAIN))

        assert worker.wait() == 0
        assert status_of(engine, task_id) == ["done"]
        assert rows(engine, "SELECT id FROM tasks WHERE status = 'in_progress'") == []
        assert rows(engine, "SELECT id FROM tasks WHERE status = 'to_do'")

    def test_what_it_cannot_run_is_not_waited_for(self, engine: Engine, start: Start) -> None:
        make(engine, task_type="unknown")
        make(engine, queue="other")
        (paused,) = make(engine, queue="paused")
        with transaction(engine) as connection:
            queues.pause(connection, "paused", "by a test")

        worker = ran(start, "--once", WORKER_QUEUES="default,paused")

        assert worker.wait() == 0
        assert status_of(engine, paused) == ["to_do"]

    def test_it_stops_on_sigterm(self, engine: Engine, start: Start) -> None:
        (task_id,) = make(engine, task_type="sleep", payload={"seconds": 30})
        worker = start("worker", "--once", WORKER_GRACE_SECONDS="0.1")
        wait_for(lambda: status_of(engine, task_id) == ["in_progress"])

        assert worker.stop() == 0

        assert status_of(engine, task_id) == ["to_do"]


class TestDrain:
    def test_everything_is_run_retries_and_tasks_due_later_included(
        self, engine: Engine, start: Start
    ) -> None:
        plain = make(engine, 30, task_type="noop")
        failing = make(engine, 2, task_type="fail", retry_limit=2)
        (later,) = make(engine, task_type="noop")
        postpone(engine, later, 1.5)

        worker = ran(start, "--drain", RETRY_BACKOFF_SECONDS="0.1")

        assert worker.wait() == 0
        assert set(status_of(engine, *plain, later)) == {"done"}
        assert status_of(engine, *failing) == ["failed", "failed"]
        assert [len(attempts(engine, each)) for each in failing] == [3, 3]

    def test_tasks_that_handlers_ask_for_are_run_too(self, engine: Engine, start: Start) -> None:
        make(engine, task_type="async.enqueue", payload={"title": "child", "queue": "unheard.of"})

        assert ran(start, "--drain").wait() == 0

        (child,) = rows(engine, "SELECT status FROM tasks WHERE title = 'child'")
        assert child == {"status": "done"}

    def test_a_task_on_another_worker_is_waited_for(self, engine: Engine, start: Start) -> None:
        make(engine, task_type="noop")
        (held,) = claim(engine)
        worker = start("worker", "--drain", **HANDLERS)
        worker.wait_for_event("worker started")
        (marker,) = make(engine, task_type="noop")
        wait_for(lambda: status_of(engine, marker) == ["done"])
        assert worker.process.poll() is None

        succeed(engine, held)

        assert worker.wait() == 0

    def test_a_queue_that_resumes_by_itself_is_waited_for(
        self, engine: Engine, start: Start
    ) -> None:
        (resuming,) = make(engine, queue="resuming", task_type="noop")
        (paused,) = make(engine, queue="paused", task_type="noop")
        with transaction(engine) as connection:
            queues.pause(connection, "resuming", "for a while", seconds=1)
            queues.pause(connection, "paused", "by a test")

        assert ran(start, "--drain").wait() == 0

        assert status_of(engine, resuming, paused) == ["done", "to_do"]

    def test_it_outlives_its_server(self, engine: Engine, start: Start, server: Database) -> None:
        (task_id,) = make(engine, task_type="noop")
        postpone(engine, task_id, 3)
        worker = start("worker", "--drain", **HANDLERS)
        worker.wait_for_event("worker started")

        engine.dispose()  # nothing of ours outlives it
        server.kill()
        worker.wait_for_event("database trouble")
        server.start()

        assert worker.wait() == 0
        assert status_of(engine, task_id) == ["done"]

    def test_it_stops_on_sigterm(self, engine: Engine, start: Start) -> None:
        (task_id,) = make(engine)
        postpone(engine, task_id, 3600)
        worker = start("worker", "--drain")
        worker.wait_for_event("worker started")

        assert worker.stop() == 0

        assert status_of(engine, task_id) == ["to_do"]


def test_a_worker_that_cannot_find_out_whether_work_is_left_fails(
    engine: Engine, database_url: str
) -> None:
    def is_done() -> bool:
        raise LookupError("no such thing")

    settings = Settings(database_url=database_url)
    worker = Worker(engine, settings, {"sleep": load([])["sleep"]}, Stopping())

    assert not worker.run(is_done)

    assert rows(engine, "SELECT status FROM workers") == [{"status": "stopped"}]
