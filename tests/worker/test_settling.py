"""Writing ends while the database is slow at it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from tests.processes import Start
from tests.rows import make, rows
from tests.waiting import wait_for
from tests.worker.command import HANDLERS
from worker.backpressure import LEAST_BACKLOG

SLOTS = 10


@contextmanager
def attempts_locked(engine: Engine) -> Iterator[None]:
    """Let no end be written: each wants a row in the attempts."""
    with engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLES task_attempts WRITE")
        yield
        connection.exec_driver_sql("UNLOCK TABLES")


def test_nothing_more_is_claimed_while_too_many_ends_wait(engine: Engine, start: Start) -> None:
    count = 2 * LEAST_BACKLOG
    make(engine, count, task_type="noop")
    with attempts_locked(engine):
        worker = start("worker", **HANDLERS, WORKER_CONCURRENCY=str(SLOTS))

        waiting = worker.wait_for_event("claiming waits until ends are written")["waiting"]
        (held,) = rows(engine, "SELECT COUNT(*) AS n FROM tasks WHERE status = 'in_progress'")

    most = LEAST_BACKLOG + 5 * SLOTS  # with those that run and those that are being written
    assert LEAST_BACKLOG < waiting <= most
    assert held["n"] <= most
    unfinished = "SELECT id FROM tasks WHERE status <> 'done' LIMIT 1"
    wait_for(lambda: not rows(engine, unfinished))
    worker.wait_for_event("claiming goes on")
    assert worker.stop() == 0
    assert rows(engine, "SELECT COUNT(*) AS n FROM task_attempts") == [{"n": count}]
