"""The drain has one clock: whatever hangs, the worker ends in time and says what it left."""

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.processes import Running, Start
from tests.rows import attempts, make, row
from tests.waiting import wait_for
from tests.worker.command import HANDLERS
from tools.servers.proxy import proxy
from worker.draining import AFTER_GRACE_SECONDS

GRACE_SECONDS = 1.0
SLACK_SECONDS = 2.0
"""What a busy machine may add."""

FELL_SHORT = "the drain fell short"
GIVEN_UP = "handlers did not end"


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """A file that handlers write to."""
    path = tmp_path / "marks"
    path.touch()
    return path


def started(start: Start, **environment: str) -> Running:
    grace = {"WORKER_GRACE_SECONDS": str(GRACE_SECONDS)}
    worker = start("worker", **HANDLERS | grace | environment)
    worker.wait_for_event("worker started")
    return worker


def begun(engine: Engine, marks: Path, task_type: str, **payload: Any) -> int:
    """Return the id of a task whose handler has begun."""
    given = {"marks": str(marks), "seconds": 60} | payload
    (task_id,) = make(engine, task_type=task_type, payload=given)
    wait_for(marks.read_text)
    return task_id


def seconds_to_end(worker: Running) -> float:
    """Tell a worker to stop and return how long it took."""
    began = time.monotonic()
    worker.stop()
    return time.monotonic() - began


def test_a_database_that_does_not_answer_does_not_hold_up_the_end(
    engine: Engine, start: Start, marks: Path, database_url: str
) -> None:
    with proxy(database_url) as way:
        worker = started(start, DATABASE_URL=way.url)
        task_id = begun(engine, marks, "async.sleep")
        way.freeze_at = b"claimable = 1"
        wait_for(lambda: way.freeze_at is None)

        took = seconds_to_end(worker)

    assert worker.wait() == 0
    assert took < GRACE_SECONDS + AFTER_GRACE_SECONDS + SLACK_SECONDS
    (left,) = [line for line in worker.log() if line["event"] == FELL_SHORT]
    assert (left["leases"], left["task_ids"]) == (1, [task_id])
    assert left["claim_under_way"]


def test_a_hurried_end_does_not_wait_for_the_database_either(
    engine: Engine, start: Start, marks: Path, database_url: str
) -> None:
    with proxy(database_url) as way:
        worker = started(start, DATABASE_URL=way.url, WORKER_GRACE_SECONDS="60")
        begun(engine, marks, "async.sleep")
        way.freeze()
        worker.send(signal.SIGTERM)
        worker.wait_for_event("worker draining")

        took = seconds_to_end(worker)

    assert took < AFTER_GRACE_SECONDS + SLACK_SECONDS


def test_an_end_is_written_when_the_database_comes_back_within_the_grace(
    engine: Engine, start: Start, marks: Path, database_url: str
) -> None:
    with proxy(database_url) as way:
        worker = started(start, DATABASE_URL=way.url, WORKER_GRACE_SECONDS="60")
        task_id = begun(engine, marks, "async.sleep", seconds=1)
        way.freeze_at = b"INSERT INTO task_attempts"
        worker.send(signal.SIGTERM)
        wait_for(lambda: way.freeze_at is None)

        with pytest.raises(subprocess.TimeoutExpired):  # the grace goes on
            worker.wait(AFTER_GRACE_SECONDS)
        way.cut()
        way.thaw()

        assert worker.wait() == 0
    assert row(engine, task_id)["status"] == "done"


@pytest.mark.parametrize("task_type", ["async.block", "async.deaf", "def.stubborn", "thread.sleep"])
def test_the_task_of_a_handler_that_does_not_end_is_released(
    engine: Engine, start: Start, marks: Path, task_type: str
) -> None:
    worker = started(start)
    task_id = begun(engine, marks, task_type)

    took = seconds_to_end(worker)

    assert worker.wait() == 0
    assert took < GRACE_SECONDS + AFTER_GRACE_SECONDS + SLACK_SECONDS
    found = row(engine, task_id)
    assert (found["status"], found["current_retry_count"]) == ("to_do", 0)
    assert [each["outcome"] for each in attempts(engine, task_id)] == ["released"]
    given_up = [line["task_ids"] for line in worker.log() if line["event"] == GIVEN_UP]
    assert given_up == ([[task_id]] if task_type == "async.block" else [])


def test_a_worker_that_hangs_ends_all_the_same(
    engine: Engine,  # noqa: ARG001
    start: Start,
    database_url: str,
) -> None:
    with proxy(database_url) as way:
        way.freeze_at = b"SHOW VARIABLES"
        worker = start("worker", DATABASE_URL=way.url, WORKER_GRACE_SECONDS="0.1")
        wait_for(lambda: way.freeze_at is None)
        worker.send(signal.SIGTERM)

        assert worker.wait(AFTER_GRACE_SECONDS + SLACK_SECONDS) == 1

    assert worker.log()[-1]["event"] == "the worker hangs: it ends with all that it holds"
