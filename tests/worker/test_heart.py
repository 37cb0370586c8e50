"""The heart: it beats on whatever happens to a connection, a row or a report."""

import time
from collections.abc import Sequence

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from schema import workers
from schema.attempts import Progress
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_thread_engine
from schema.runtime.transactions import transaction
from schema.workers import WorkerDescription
from tests.processes import Start
from tests.rows import claim, make, row, rows
from tests.waiting import wait_for
from tools.servers.proxy import proxy
from worker.attempt import Attempt
from worker.handlers import load
from worker.heart import Heart, Reflexes
from worker.identity import Identity
from worker.running import Running
from worker.slots import Slots
from worker.vigil import Vigil

DESCRIPTION = WorkerDescription("host", 1, "0", ["*"], ["sleep"], 10)

PROMPT_SECONDS = 1.0
"""A beat that takes longer has waited for something."""


class Beating:
    """A heart that beats when the test wants it to, and two attempts."""

    def __init__(self, engine: Engine, beats_through: Engine) -> None:
        self.identity = Identity()
        self.running = running = Running()
        self.failures = 0
        self.slots = Slots(2)
        vigil = Vigil(self.slots, self.fail)
        reflexes = Reflexes(lambda _attempts, _reason: None, lambda _holds: None, vigil)
        self.heart = Heart(beats_through, self.identity, running, reflexes, lambda: None)
        with transaction(engine) as connection:
            workers.register(connection, self.identity.id, DESCRIPTION)
        make(engine, 2)
        now = time.monotonic()
        self.attempts = [
            Attempt(task, load([])["sleep"], self.identity.id, now, now + 60)
            for task in claim(engine, 2, worker_id=self.identity.id)
        ]
        running.enter(self.attempts)

    def fail(self) -> None:
        self.failures += 1

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


def test_a_locked_row_holds_up_no_other_report_and_its_own_is_written_later(
    engine: Engine, beating: Beating
) -> None:
    beating.tell(10, 20)
    with engine.connect() as other:
        first_id = beating.attempts[0].claimed.id
        other.exec_driver_sql(f"SELECT id FROM tasks WHERE id = {first_id} FOR UPDATE")
        took = beating.beat()
        while_locked = beating.written(engine)
    beating.beat()

    assert took < PROMPT_SECONDS
    assert while_locked == [None, 20]
    assert beating.written(engine) == [10, 20]


def test_a_report_that_the_database_refuses_prevents_no_other(
    engine: Engine, beating: Beating
) -> None:
    beating.tell(10, 20, stage="nonsense")

    with capture_logs() as log:
        beating.beat()
        beating.beat()

    assert beating.written(engine) == [None, 20]
    refused = [line["task_id"] for line in log if line["event"] == "progress cannot be written"]
    assert refused == [beating.attempts[0].claimed.id], "and it is not tried again"


def test_progress_outlives_a_database_that_is_away(engine: Engine, database_url: str) -> None:
    with proxy(database_url) as way:
        through = create_thread_engine(DatabaseAddress.parse(way.url))
        beating = Beating(engine, through)
        beating.tell(10, 20)
        way.break_at = b"progress_message"
        with pytest.raises(Exception):  # noqa: B017, PT011  # the connection was broken
            beating.beat()
        with transaction(engine) as connection:
            connection.exec_driver_sql("UPDATE tasks SET progress = NULL")

        beating.beat()

        through.dispose()
    assert beating.written(engine) == [10, 20]


def test_a_claim_that_hangs_does_not_hold_up_the_heart(beating: Beating) -> None:
    with beating.running.claiming:
        took = beating.beat()

    assert took < PROMPT_SECONDS


class TestVigil:
    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("worker.vigil.MOST_BEATS", 3)

    def reasons(self, beating: Beating, beats: int) -> list[str]:
        """Beat, and return why the worker was ended."""
        with capture_logs() as log:
            for _ in range(beats):
                beating.beat()
        found = [line for line in log if line["event"] == "the worker stands still: it ends"]
        assert beating.failures == len(found)
        return [line["reason"] for line in found]

    def test_what_runs_within_its_deadline_is_left_alone(self, beating: Beating) -> None:
        assert self.reasons(beating, 5) == []

    def test_an_attempt_that_nobody_ends_ends_the_worker(self, beating: Beating) -> None:
        beating.attempts[0].deadline = time.monotonic()

        assert self.reasons(beating, 2) == []
        assert self.reasons(beating, 2) == ["handlers were not ended at their deadline"]

    def test_slots_that_never_come_free_end_the_worker(self, beating: Beating) -> None:
        beating.slots.take(2)
        for attempt in beating.attempts:
            beating.running.end(attempt, unsettled=False)

        assert self.reasons(beating, 3) == ["every slot is taken by a handler that cannot be ended"]

    def test_a_claim_that_hangs_ends_the_worker(
        self, beating: Beating, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("worker.heart.CLAIM_SECONDS", 0.01)
        with beating.running.claiming:
            assert self.reasons(beating, 3) == ["a claim does not come to its end"]


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
