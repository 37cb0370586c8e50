"""The heart: it beats on whatever happens to a connection, a row or a report."""

import time
from collections.abc import Sequence

import pytest
from sqlalchemy import Engine

from schema import workers
from schema.attempts import Progress
from schema.runtime.transactions import transaction
from schema.workers import WorkerDescription
from tests.processes import Start
from tests.proxy import proxy
from tests.rows import claim, make, row, rows
from tests.waiting import wait_for
from worker.attempt import Attempt
from worker.handlers import load
from worker.heart import Heart, Reflexes
from worker.identity import Identity
from worker.running import Running

DESCRIPTION = WorkerDescription("host", 1, "0", ["*"], ["sleep"], 10)

PROMPT_SECONDS = 1.0
"""A beat that takes longer has waited for something."""


class Beating:
    """A heart that beats when the test wants it to, and two attempts."""

    def __init__(self, engine: Engine, beats_through: Engine) -> None:
        self.identity = Identity()
        self.running = running = Running()
        reflexes = Reflexes(lambda _attempts, _reason: None, lambda _holds: None)
        self.heart = Heart(beats_through, self.identity, running, reflexes, lambda: None)
        with transaction(engine) as connection:
            workers.register(connection, self.identity.id, DESCRIPTION)
        make(engine, 2)
        self.attempts = [
            Attempt(task, load([])["sleep"], self.identity.id, time.monotonic(), 0)
            for task in claim(engine, 2, worker_id=self.identity.id)
        ]
        running.enter(self.attempts)

    def tell(self, *percents: float, stage: str = "RUNNING") -> None:
        for attempt, percent in zip(self.attempts, percents, strict=True):
            attempt.progress = Progress(percent, f"{percent:g} of 100", stage)
            stage = "RUNNING"

    def beat(self) -> float:
        """Beat, and return how long it took."""
        began = time.monotonic()
        self.heart._beat()
        return time.monotonic() - began

    def written(self, engine: Engine) -> Sequence[float | None]:
        return [row(engine, attempt.claimed.id)["progress"] for attempt in self.attempts]


@pytest.fixture
def beating(engine: Engine) -> Beating:
    return Beating(engine, engine)


def test_progress_is_written_with_the_beat_and_once(engine: Engine, beating: Beating) -> None:
    beating.tell(10, 20)
    beating.beat()
    first = beating.written(engine)
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE tasks SET progress = 0")

    beating.attempts[1].progress = Progress(30, None, None)
    beating.beat()

    assert first == [10, 20]
    assert beating.written(engine) == [0, 30]


def test_a_claim_that_hangs_does_not_hold_up_the_heart(beating: Beating) -> None:
    with beating.running.claiming:
        took = beating.beat()

    assert took < PROMPT_SECONDS


def test_a_half_open_connection_does_not_silence_the_worker(
    engine: Engine, start: Start, database_url: str
) -> None:
    with proxy(database_url) as way:
        worker = start("worker", DATABASE_URL=way.url)
        worker.wait_for_event("worker started")
        way.hole_at = b"UPDATE workers SET last_heartbeat_at"
        wait_for(lambda: way.hole_at is None)
        last = rows(engine, "SELECT last_heartbeat_at FROM workers")

        wait_for(lambda: rows(engine, "SELECT last_heartbeat_at FROM workers") != last, seconds=8)

        assert worker.stop() == 0
