"""Calling workers dead, and not calling them dead."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from reaper.burial import Burial
from reaper.continuity import JUMP_SECONDS, Continuity
from schema import holding, workers
from schema.runtime.transactions import transaction
from schema.workers import WorkerDescription
from tests.rows import AT_ONCE, attempts, change, claim, make, row, rows

DEAD_SECONDS = 10.0
DESCRIPTION = WorkerDescription("host", 1, "0", ["*"], ["default"], 10)


class Clock:
    """A monotonic clock that the test winds."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def burial(engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Burial:
    """A burial that has reached the database for long enough, as it believes."""
    one = Burial(engine, AT_ONCE, DEAD_SECONDS)
    monkeypatch.setattr(one, "_continuity", Continuity(clock=clock))
    one()
    monkeypatch.setattr("reaper.continuity.JUMP_SECONDS", 1e9)
    clock.now += DEAD_SECONDS
    return one


def register(engine: Engine, worker_id: str, *, silent_seconds: float = 0) -> None:
    with transaction(engine) as connection:
        workers.register(connection, worker_id, DESCRIPTION)
        connection.exec_driver_sql(
            "UPDATE workers SET last_heartbeat_at = UTC_TIMESTAMP(6) - INTERVAL %s SECOND"
            " WHERE id = %s",
            (silent_seconds, worker_id),
        )


def statuses(engine: Engine) -> dict[str, str]:
    return {each["id"]: each["status"] for each in rows(engine, "SELECT id, status FROM workers")}


def test_a_silent_worker_is_called_dead_and_its_tasks_run_again(
    engine: Engine, burial: Burial
) -> None:
    register(engine, "silent", silent_seconds=DEAD_SECONDS + 1)
    register(engine, "beating", silent_seconds=DEAD_SECONDS - 5)
    lost, kept = make(engine, 2, timeout_seconds=600_000)
    claim(engine, worker_id="silent")
    claim(engine, worker_id="beating")

    burial()

    assert statuses(engine) == {"silent": "dead", "beating": "alive"}
    assert (row(engine, lost)["status"], row(engine, lost)["current_retry_count"]) == (
        "retrying",
        1,
    )
    assert row(engine, kept)["status"] == "in_progress"
    (attempt,) = attempts(engine, lost)
    assert (attempt["outcome"], attempt["message"]) == ("lost", "its worker silent died")


def test_a_task_without_retries_fails_with_its_worker(engine: Engine, burial: Burial) -> None:
    register(engine, "w", silent_seconds=60)
    (task_id,) = make(engine, retry_limit=0)
    claim(engine, worker_id="w")

    burial()

    assert row(engine, task_id)["status"] == "failed"


def test_what_a_worker_held_when_it_stopped_is_taken_back(engine: Engine, burial: Burial) -> None:
    register(engine, "w")
    (task_id,) = make(engine)
    claim(engine, worker_id="w")
    with transaction(engine) as connection:
        workers.leave(connection, "w")

    burial()

    assert statuses(engine) == {"w": "stopped"}
    assert row(engine, task_id)["status"] == "retrying"


def test_an_attempt_that_saved_a_checkpoint_is_taken_over_uncounted(
    engine: Engine, burial: Burial
) -> None:
    (task_id,) = make(engine, retry_limit=0)
    for number in range(11):
        worker_id = f"w{number}"
        register(engine, worker_id, silent_seconds=60)
        (claimed,) = claim(engine, worker_id=worker_id)
        with transaction(engine) as connection:
            assert holding.save(connection, (task_id, claimed.fence), f'{{"step": {number}}}')
        burial()
        last = row(engine, task_id)
        if number < 10:
            assert (last["status"], last["current_retry_count"]) == ("to_do", 0)
            assert last["lost_count"] == number + 1

    assert last["status"] == "failed", "at most ten times"
    assert '"step"' in last["checkpoint"]


def test_a_checkpoint_of_an_earlier_attempt_does_not_count(engine: Engine, burial: Burial) -> None:
    register(engine, "w", silent_seconds=60)
    (task_id,) = make(engine)
    claim(engine, worker_id="w")
    change(engine, task_id, "checkpoint = '1', checkpoint_fence = 0")

    burial()

    assert row(engine, task_id)["current_retry_count"] == 1


def test_a_stopped_task_whose_worker_died_is_cancelled_and_its_attempt_lost(
    engine: Engine, burial: Burial
) -> None:
    register(engine, "w", silent_seconds=60)
    (task_id,) = make(engine)
    claim(engine, worker_id="w")
    change(engine, task_id, "stop_requested_at = UTC_TIMESTAMP(6)")

    burial()

    assert row(engine, task_id)["status"] == "cancelled"
    assert [each["outcome"] for each in attempts(engine, task_id)] == ["lost"]


def test_a_beat_in_between_saves_a_worker(engine: Engine) -> None:
    register(engine, "w", silent_seconds=60)
    with engine.connect() as reaper:
        with transaction(engine) as connection:
            assert workers.beat(connection, "w")
        assert workers.bury(reaper, dead_seconds=DEAD_SECONDS) == []


def test_a_dead_worker_never_lives_again(engine: Engine, burial: Burial) -> None:
    register(engine, "w", silent_seconds=60)
    burial()

    with transaction(engine) as connection:
        lives = workers.beat(connection, "w")
        workers.register(connection, "w", DESCRIPTION)
        workers.drain(connection, "w")

    assert not lives
    assert statuses(engine) == {"w": "dead"}


class TestContinuity:
    def look(self, engine: Engine, continuity: Continuity) -> float:
        with engine.connect() as connection:
            return continuity.look(connection)

    def test_it_counts_from_the_start(self, engine: Engine, clock: Clock) -> None:
        continuity = Continuity(clock=clock)
        clock.now += 3

        assert self.look(engine, continuity) == 3

    def test_an_outage_starts_it_anew(self, engine: Engine, clock: Clock) -> None:
        continuity = Continuity(clock=clock)
        self.look(engine, continuity)
        clock.now += 100
        continuity.broke()

        assert self.look(engine, continuity) == 0

    def test_a_jump_of_the_servers_clock_starts_it_anew(self, engine: Engine, clock: Clock) -> None:
        continuity = Continuity(clock=clock)
        self.look(engine, continuity)
        clock.now += JUMP_SECONDS * 2  # ours went on, the server's did not

        assert self.look(engine, continuity) == 0

    def test_a_server_that_stalled_starts_it_anew(
        self, engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("reaper.continuity.JUMP_SECONDS", 1e9)
        continuity = Continuity(3, clock)
        self.look(engine, continuity)
        clock.now += 2.9
        steady = self.look(engine, continuity)
        clock.now += 3.1

        assert steady == pytest.approx(2.9)
        assert self.look(engine, continuity) == 0

    def test_a_failover_starts_it_anew(
        self, engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        continuity = Continuity(clock=clock)
        self.look(engine, continuity)
        clock.now += 1
        other = "SELECT UTC_TIMESTAMP(6) AS now, 'other' AS host, 1 AS port, 1 AS server_id"
        monkeypatch.setattr("reaper.continuity._LOOK", other)

        assert self.look(engine, continuity) == 0


def test_an_outage_kills_nobody(
    engine: Engine, clock: Clock, burial: Burial, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(engine, "w", silent_seconds=60)
    real: Callable[[Connection], float] = burial._continuity.look

    def away(_connection: Connection) -> float:
        raise OperationalError("SELECT 1", {}, Exception(2013, "Lost connection"))

    monkeypatch.setattr(burial._continuity, "look", away)
    with pytest.raises(OperationalError):
        burial()
    monkeypatch.setattr(burial._continuity, "look", real)
    clock.now += DEAD_SECONDS - 1
    burial()
    spared = statuses(engine)
    clock.now += 2
    burial()

    assert spared == {"w": "alive"}
    assert statuses(engine) == {"w": "dead"}
