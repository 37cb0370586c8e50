"""What reaches a handler that runs: stops, deletions, lost leases, the death of its worker."""

import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from schema.runtime.transactions import transaction
from tests.processes import Running, Start
from tests.rows import age_leases, attempts, change, make, remove, row, rows, sweep
from tests.waiting import wait_for
from tools.servers.proxy import proxy

HANDLERS = {"WORKER_HANDLERS": "tests.worker.sample_handlers", "RETRY_BACKOFF_SECONDS": "0"}
KINDS = ["async", "def", "thread"]


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """A file that handlers write to."""
    path = tmp_path / "marks"
    path.touch()
    return path


@pytest.fixture
def worker(engine: Engine, start: Start, marks: Path) -> Running:  # noqa: ARG001
    one = start("worker", **HANDLERS, MARKS=str(marks))
    one.wait_for_event("worker started")
    return one


def begun(engine: Engine, marks: Path, kind: str, name: str = "cleanup", **fields: Any) -> int:
    """Return the id of a task whose handler has begun."""
    payload = {"marks": str(marks), "seconds": 30}
    (task_id,) = make(engine, task_type=f"{kind}.{name}", payload=payload, **fields)
    wait_for(marks.read_text)
    return task_id


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_a_stop_ends_the_handler_and_cancels_the_task(
        self, engine: Engine, worker: Running, marks: Path, kind: str
    ) -> None:
        task_id = begun(engine, marks, kind)

        change(engine, task_id, "stop_requested_at = UTC_TIMESTAMP(6)")

        wait_for(lambda: row(engine, task_id)["status"] == "cancelled")
        assert marks.read_text() == "begin 1\ncancelled True\n"
        assert [each["outcome"] for each in attempts(engine, task_id)] == ["cancelled"]
        assert worker.stop() == 0

    def test_a_delete_ends_the_handler_and_the_row_goes(
        self, engine: Engine, worker: Running, marks: Path, kind: str
    ) -> None:
        task_id = begun(engine, marks, kind)

        remove(engine, task_id)

        wait_for(lambda: row(engine, task_id) == {})
        wait_for(lambda: "cancelled True" in marks.read_text())
        assert worker.stop() == 0

    def test_a_lost_lease_ends_the_handler_and_its_outcome_is_not_written(
        self, engine: Engine, worker: Running, marks: Path, kind: str
    ) -> None:
        task_id = begun(engine, marks, kind, retry_limit=0)

        age_leases(engine, task_id)
        sweep(engine)

        assert worker.wait_for_event("lease lost")["task_id"] == task_id
        wait_for(lambda: "cancelled True" in marks.read_text())
        assert worker.stop() == 0
        assert [each["outcome"] for each in attempts(engine, task_id)] == ["timed_out"]


def test_progress_can_be_read_while_the_handler_runs(
    engine: Engine, worker: Running, marks: Path
) -> None:
    payload = {"marks": str(marks), "seconds": 30}
    (task_id,) = make(engine, task_type="async.long", payload=payload)

    found = wait_for(lambda: row(engine, task_id)["progress"] and row(engine, task_id))

    assert (found["progress"], found["progress_message"]) == (40, "two fifths")
    assert (found["status"], found["stage"]) == ("in_progress", "RUNNING")
    assert worker.pid


def test_a_frozen_worker_that_was_called_dead_registers_anew(
    engine: Engine, worker: Running, marks: Path
) -> None:
    task_id = begun(engine, marks, "def", timeout_seconds=600)
    old = row(engine, task_id)["worker_id"]
    worker.send(signal.SIGSTOP)
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE workers SET status = 'dead', ended_at = NOW(6)")
        connection.exec_driver_sql(
            "UPDATE tasks SET status = 'paused', worker_id = NULL, lease_expires_at = NULL"
        )

    worker.send(signal.SIGCONT)

    anew = worker.wait_for_event("called dead, registered anew")
    wait_for(lambda: "cancelled True" in marks.read_text())
    (next_id,) = make(engine)
    wait_for(lambda: row(engine, next_id)["status"] == "done")
    assert anew["dead"] == old
    assert attempts(engine, next_id)[0]["worker_id"] == anew["worker_id"] != old
    assert attempts(engine, task_id) == []
    assert worker.stop() == 0
    last = {each["id"]: each["status"] for each in rows(engine, "SELECT id, status FROM workers")}
    assert last == {old: "dead", anew["worker_id"]: "stopped"}


def test_the_task_of_a_killed_worker_is_claimable_long_before_its_lease_is_over(
    engine: Engine, worker: Running, start: Start, marks: Path
) -> None:
    task_id = begun(engine, marks, "async", timeout_seconds=600_000)
    reaper = start("reaper", WORKER_DEAD_SECONDS="3", REAPER_INTERVAL_SECONDS="0.2")
    reaper.wait_for_event("reaper started")

    worker.kill()

    wait_for(lambda: row(engine, task_id)["status"] == "retrying")
    assert [each["outcome"] for each in attempts(engine, task_id)] == ["lost"]


def test_a_claim_whose_commit_was_not_answered_is_not_run_but_given_back(
    engine: Engine, start: Start, database_url: str
) -> None:
    with proxy(database_url) as way:
        worker = start("worker", **HANDLERS, DATABASE_URL=way.url)
        worker.wait_for_event("worker started")
        way.break_at = b"status = 'in_progress', fence = fence + 1"
        way.break_at_next = b"COMMIT"
        (task_id,) = make(engine)

        wait_for(lambda: row(engine, task_id)["status"] == "done")

        assert worker.stop() == 0
    outcomes = [each["outcome"] for each in attempts(engine, task_id)]
    assert outcomes == ["released", "succeeded"]
    assert row(engine, task_id)["current_retry_count"] == 0


class TestBlockedLoop:
    def test_it_is_named_and_holds_up_nobody_else(
        self, engine: Engine, worker: Running, marks: Path
    ) -> None:
        task_id = begun(engine, marks, "async", "block", timeout_seconds=60)
        (other,) = make(engine, task_type="def.context")

        warning = worker.wait_for_event(
            "the event loop is blocked: use a def handler for what does not await"
        )

        wait_for(lambda: row(engine, other)["status"] == "done")
        assert warning["task_id"] == task_id
        assert warning["task_type"] == "async.block"
        worker.kill()

    def test_a_stop_that_it_does_not_heed_is_ended_by_the_reaper(
        self, engine: Engine, worker: Running, start: Start, marks: Path
    ) -> None:
        task_id = begun(engine, marks, "async", "block", timeout_seconds=600)
        start("reaper", STOP_GRACE_SECONDS="0.5", REAPER_INTERVAL_SECONDS="0.2")

        change(engine, task_id, "stop_requested_at = UTC_TIMESTAMP(6)")

        wait_for(lambda: row(engine, task_id)["status"] == "cancelled")
        assert worker.process.poll() is None
        assert [each["outcome"] for each in attempts(engine, task_id)] == ["cancelled"]

    def test_one_that_never_ends_ends_the_worker(
        self, engine: Engine, start: Start, marks: Path
    ) -> None:
        worker = start("tests.worker.impatient", **HANDLERS)
        worker.wait_for_event("worker started")
        begun(engine, marks, "async", "block", timeout_seconds=1)

        assert worker.wait() == 70


def test_callbacks_are_called_after_the_settle(
    engine: Engine, worker: Running, marks: Path
) -> None:
    payload = {"marks": str(marks)}
    (task_id,) = make(engine, task_type="async.callbacks", payload=payload, retry_limit=1)

    wait_for(lambda: row(engine, task_id)["status"] == "failed")
    wait_for(lambda: "failure" in marks.read_text())

    assert marks.read_text() == (
        f"retry of {task_id} after 1: ValueError boom\n"
        f"failure of {task_id} after 2: ValueError boom\n"
    )
    assert worker.stop() == 0


def test_what_a_handler_asks_for_comes_with_its_success(engine: Engine, worker: Running) -> None:
    (task_id,) = make(engine, task_type="def.enqueue", payload={"title": "next", "tags": ["x"]})

    wait_for(lambda: rows(engine, "SELECT id FROM tasks WHERE title = 'next'"))

    assert row(engine, task_id)["status"] == "done"
    assert worker.stop() == 0


def test_a_handler_that_asks_for_a_taken_key_means_that_task_or_fails(
    engine: Engine, worker: Running
) -> None:
    (holder,) = make(engine, unique_key="k", hold=True)
    child = {"title": "next", "unique_key": "k"}
    (meant,) = make(engine, task_type="async.enqueue", payload=child)
    strict = child | {"on_conflict": "reject"}
    (failed,) = make(engine, task_type="async.enqueue", payload=strict, retry_limit=0)

    wait_for(lambda: row(engine, meant)["status"] == "done")
    wait_for(lambda: row(engine, failed)["status"] == "failed")

    assert f"task {holder} has the unique_key 'k'" in row(engine, failed)["last_error"]
    assert rows(engine, "SELECT id FROM tasks WHERE title = 'next'") == []
    assert worker.stop() == 0


def test_a_handler_can_pause_its_queue(engine: Engine, worker: Running) -> None:
    (task_id,) = make(engine, queue="full", task_type="async.raise", payload={"how": "pause"})

    wait_for(lambda: rows(engine, "SELECT 1 FROM queues WHERE is_paused = 1"))

    (queue,) = rows(engine, "SELECT * FROM queues WHERE name = 'full'")
    assert (queue["paused_reason"], queue["resume_at"] > queue["paused_at"]) == ("full", True)
    assert row(engine, task_id)["status"] == "to_do"
    assert worker.stop() == 0


def test_a_task_that_crashes_its_executor_three_times_is_failed(
    engine: Engine, worker: Running
) -> None:
    (task_id,) = make(engine, task_type="def.die", payload={"how": "exit"}, retry_limit=50)

    wait_for(lambda: row(engine, task_id)["status"] == "failed")

    assert [each["outcome"] for each in attempts(engine, task_id)] == ["crashed"] * 3
    assert worker.stop() == 0


def test_a_worker_that_fails_whatever_it_takes_rests(engine: Engine, worker: Running) -> None:
    make(engine, 60, task_type="async.raise", payload={"how": "error"}, retry_limit=0)

    resting = worker.wait_for_event("every attempt fails at once: this worker rests")

    assert resting["seconds"] == 5
    assert worker.stop() == 0
    assert rows(engine, "SELECT id FROM tasks WHERE fence = 0") != []


def test_two_workers_show_in_sql(engine: Engine, worker: Running) -> None:
    (found,) = rows(engine, "SELECT * FROM workers")

    assert (found["pid"], found["slots"], found["status"]) == (worker.pid, 10, "alive")
    assert '"async.sleep"' in found["task_types"]
    beat = found["last_heartbeat_at"]
    wait_for(lambda: rows(engine, "SELECT * FROM workers")[0]["last_heartbeat_at"] > beat)
    assert worker.stop() == 0
    (after,) = rows(engine, "SELECT * FROM workers")
    assert (after["status"], after["ended_at"] is not None) == ("stopped", True)
