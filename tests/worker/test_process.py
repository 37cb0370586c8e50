"""The worker as it is deployed: real processes on a real server."""

import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from schema.runtime.transactions import transaction
from schema.states import Priority
from tests.processes import Running, Start
from tests.rows import attempts, make, row, rows
from tests.waiting import wait_for
from tests.worker.command import write_module
from tools.servers import Database

HANDLERS = {"WORKER_HANDLERS": "tests.worker.sample_handlers", "RETRY_BACKOFF_SECONDS": "0"}


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """A file that handlers write to."""
    path = tmp_path / "marks"
    path.touch()
    return path


def sleeper(marks: Path, seconds: float, kind: str = "async") -> dict[str, Any]:
    return {
        "task_type": f"{kind}.sleep",
        "payload": {"seconds": seconds, "marks": str(marks)},
    }


def started(start: Start, **environment: str) -> Running:
    worker = start("worker", **HANDLERS, **environment)
    worker.wait_for_event("worker started")
    return worker


def wait_for_status(engine: Engine, task_id: int, *status: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = row(engine, task_id)
        return found if found["status"] in status else None

    return wait_for(look) or {}


def test_a_task_with_nothing_but_a_title_is_carried_out(engine: Engine, start: Start) -> None:
    (task_id,) = make(engine, title="只有标题")
    worker = started(start)

    wait_for_status(engine, task_id, "done")

    assert worker.wait_for_event("task carried out")["title"] == "只有标题"
    assert worker.stop() == 0


def test_high_goes_before_low_when_both_waited(engine: Engine, start: Start) -> None:
    (low,) = make(engine, priority=Priority.LOW)
    (high,) = make(engine, priority=Priority.HIGH)
    started(start, WORKER_CONCURRENCY="1")

    wait_for_status(engine, low, "done")

    assert row(engine, high)["started_at"] < row(engine, low)["started_at"]


@pytest.mark.parametrize("kind", ["async", "def"])
def test_a_task_that_takes_too_long_is_retried_then_failed(
    engine: Engine, start: Start, marks: Path, kind: str
) -> None:
    (task_id,) = make(engine, timeout_seconds=1, retry_limit=1, **sleeper(marks, 30, kind))
    started(start)

    wait_for_status(engine, task_id, "failed")

    ends = [(each["outcome"], each["message"]) for each in attempts(engine, task_id)]
    assert ends == [("timed_out", "timed out: the lease of 1 s was over")] * 2
    assert marks.read_text() == "begin 1\nbegin 2\n"


def test_a_task_of_an_unknown_type_is_given_back_and_says_why(engine: Engine, start: Start) -> None:
    ids = make(engine, 30, task_type="未知")
    worker = started(start)

    assert worker.wait_for_event("unknown task type")["task_type"] == "未知"
    wait_for(lambda: all(row(engine, task_id)["fence"] for task_id in ids))
    assert worker.stop() == 0
    for task_id in ids:
        found = row(engine, task_id)
        assert (found["status"], found["current_retry_count"]) == ("to_do", 0)
        assert '"未知"' in found["last_error"]
    assert len([line for line in worker.log() if line["event"] == "unknown task type"]) == 1


def test_the_task_of_a_killed_worker_runs_again_on_another(
    engine: Engine, start: Start, marks: Path
) -> None:
    (task_id,) = make(engine, timeout_seconds=1, **sleeper(marks, 0.4))
    first = started(start)
    wait_for(marks.read_text)
    first.kill()
    started(start)
    start("reaper", REAPER_INTERVAL_SECONDS="0.1", RETRY_BACKOFF_SECONDS="0")

    wait_for_status(engine, task_id, "done")

    assert [each["outcome"] for each in attempts(engine, task_id)] == ["timed_out", "succeeded"]
    assert marks.read_text() == "begin 1\nbegin 2\nend 2\n"


def test_children_die_with_their_worker(engine: Engine, start: Start, marks: Path) -> None:
    make(engine, task_type="def.context", queue="pid")
    make(engine, **sleeper(marks, 2, "def"))
    worker = started(start)
    wait_for(marks.read_text)
    family = [int(pid) for pid in _descendants(worker.pid)]

    worker.kill()

    assert family
    wait_for(lambda: not any(_alive(pid) for pid in family))
    assert marks.read_text() == "begin 1\n"


def _descendants(pid: int) -> list[str]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return children + [each for child in children for each in _descendants(int(child))]


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_nothing_is_left_in_the_folder_for_temporary_files(
    engine: Engine, start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    (task_id,) = make(engine, task_type="def.context")
    worker = started(start, TMPDIR=str(folder))
    wait_for_status(engine, task_id, "done")
    while_it_ran = list(folder.iterdir())

    assert worker.stop() == 0

    assert while_it_ran
    assert list(folder.iterdir()) == []


class TestDrain:
    def test_what_runs_may_end(self, engine: Engine, start: Start, marks: Path) -> None:
        (task_id,) = make(engine, **sleeper(marks, 0.5))
        worker = started(start)
        wait_for(marks.read_text)

        assert worker.stop() == 0

        assert row(engine, task_id)["status"] == "done"

    @pytest.mark.parametrize("kind", ["async", "def"])
    def test_what_does_not_end_in_time_is_released_uncounted(
        self, engine: Engine, start: Start, marks: Path, kind: str
    ) -> None:
        (task_id,) = make(engine, **sleeper(marks, 30, kind))
        worker = started(start, WORKER_GRACE_SECONDS="0.2")
        wait_for(marks.read_text)

        assert worker.stop() == 0

        found = row(engine, task_id)
        assert (found["status"], found["current_retry_count"]) == ("to_do", 0)
        assert [each["outcome"] for each in attempts(engine, task_id)] == ["released"]

    def test_a_second_signal_releases_at_once(
        self, engine: Engine, start: Start, marks: Path
    ) -> None:
        (task_id,) = make(engine, **sleeper(marks, 30))
        worker = started(start)
        wait_for(marks.read_text)

        worker.send(signal.SIGINT)
        worker.wait_for_event("worker draining")
        worker.send(signal.SIGINT)

        assert worker.wait() == 0
        assert row(engine, task_id)["status"] == "to_do"

    def test_nothing_more_is_claimed(self, engine: Engine, start: Start, marks: Path) -> None:
        make(engine, **sleeper(marks, 1))
        worker = started(start)
        wait_for(marks.read_text)
        worker.send(signal.SIGTERM)
        worker.wait_for_event("worker draining")
        (late,) = make(engine)

        assert worker.wait() == 0

        assert row(engine, late)["fence"] == 0


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"WORKER_CONCURRENCY": "many"}, "WORKER_CONCURRENCY: Input should be a valid integer"),
        ({"WORKER_HANDLERS": "no_such"}, "the module no_such cannot be imported"),
        ({"WORKER_QUEUES": ","}, "WORKER_QUEUES names no queue"),
    ],
)
def test_a_worker_with_wrong_settings_ends_with_one_sentence(
    start: Start, environment: dict[str, str], sentence: str
) -> None:
    worker = start("worker", **environment)

    assert worker.wait() == 2
    assert sentence in worker.errors.read_text()
    assert worker.errors.read_text().count("\n") == 1


ELSEWHERE = "async def act(context, payload): ..."
REGISTERS = "import elsewhere; from worker import handler; handler('act')(elsewhere.act)"


def test_a_module_without_handlers_is_a_warning(
    engine: Engine,  # noqa: ARG001
    start: Start,
    tmp_path: Path,
) -> None:
    write_module(tmp_path, "elsewhere", ELSEWHERE)
    write_module(tmp_path, "empty", "import worker")
    settings = {**write_module(tmp_path, "registers", REGISTERS)}
    settings["WORKER_HANDLERS"] = "registers,empty,worker.builtin"
    worker = start("worker", **settings)
    worker.wait_for_event("worker started")

    event = "a module of WORKER_HANDLERS registers no handler"
    assert [line["module"] for line in worker.log() if line["event"] == event] == ["empty"]
    assert worker.stop() == 0


def test_a_worker_that_the_server_does_not_let_in_ends_with_one_sentence(
    start: Start, server: Database
) -> None:
    worker = start("worker", DATABASE_URL=server.url.replace("root@", "nobody:wrong@"))

    assert worker.wait() == 2
    said = worker.errors.read_text()
    assert said.startswith("worker: DATABASE_URL: the server refuses: ")
    assert "Access denied for user 'nobody'" in said
    assert said.count("\n") == 1


def test_a_worker_that_waits_for_its_server_can_be_stopped(start: Start) -> None:
    worker = start("worker", DATABASE_URL="mysql://root@127.0.0.1:1/none")
    worker.wait_for_event("waiting for the database")

    assert worker.stop() == 0


def test_eight_workers_drain_20000_tasks_each_done_once(engine: Engine, start: Start) -> None:
    count = 20_000
    for _ in range(count // 1_000):
        make(engine, 1_000, task_type="noop")
    workers = [start("worker", **HANDLERS, WORKER_CONCURRENCY="100") for _ in range(8)]
    unfinished = "SELECT id FROM tasks WHERE status <> 'done' LIMIT 1"

    wait_for(lambda: not rows(engine, unfinished), seconds=90)

    assert [worker.stop() for worker in workers] == [0] * 8
    assert rows(engine, "SELECT COUNT(*) AS n FROM task_attempts") == [{"n": count}]
    assert rows(engine, "SELECT DISTINCT fence, version FROM tasks") == [{"fence": 1, "version": 3}]
    assert rows(engine, "SELECT DISTINCT outcome FROM task_attempts") == [{"outcome": "succeeded"}]
    for worker in workers:
        assert [line for line in worker.log() if line["level"] != "info"] == []


def test_a_worker_outlives_its_server(engine: Engine, start: Start, server: Database) -> None:
    make(engine, 200, task_type="noop")
    worker = started(start)
    wait_for(lambda: not rows(engine, "SELECT id FROM tasks WHERE status <> 'done' LIMIT 1"))

    engine.dispose()  # nothing of ours outlives it
    server.kill()
    worker.wait_for_event("database trouble")
    server.start()
    ids = make(engine, 200, task_type="noop")
    wait_for(lambda: not rows(engine, "SELECT id FROM tasks WHERE status <> 'done' LIMIT 1"))

    assert worker.stop() == 0
    assert len(ids) == 200
    assert rows(engine, "SELECT DISTINCT fence FROM tasks") == [{"fence": 1}]
    assert not worker.errors.read_text()
    troubles = [line for line in worker.log() if line["event"].startswith("database trouble")]
    for doing in {line["doing"] for line in troubles}:
        events = [line["event"] for line in troubles if line["doing"] == doing]
        assert events in (["database trouble"], ["database trouble", "database trouble is over"])


def test_a_worker_outlives_a_server_that_is_read_only_for_a_while(
    engine: Engine, start: Start, server: Database
) -> None:
    with transaction(engine) as connection:  # root may write all the same
        connection.exec_driver_sql("CREATE USER IF NOT EXISTS app IDENTIFIED BY 'secret'")
        connection.exec_driver_sql("GRANT ALL ON rowlease.* TO app")
    address = server.url.replace("root@", "app:secret@")
    worker = started(start, DATABASE_URL=address)
    with transaction(engine) as connection:
        connection.exec_driver_sql("SET GLOBAL read_only = 1")
    (task_id,) = make(engine)

    worker.wait_for_event("database trouble")
    with transaction(engine) as connection:
        connection.exec_driver_sql("SET GLOBAL read_only = 0")

    wait_for_status(engine, task_id, "done")
    assert worker.stop() == 0
    assert not worker.errors.read_text()
    assert len(attempts(engine, task_id)) == 1
