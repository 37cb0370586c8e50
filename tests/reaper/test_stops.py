"""Stops that the worker does not heed."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from reaper.continuity import Continuity
from reaper.stops import Stops
from schema.attempts import Claimed
from tests.rows import AT_ONCE, attempts, change, claim, make, remove, row, succeed

GRACE_SECONDS = 30.0


@pytest.fixture
def stops(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Stops:
    """The chore of a reaper that has reached the database for long enough."""
    one = Stops(engine, AT_ONCE, GRACE_SECONDS)
    monkeypatch.setattr("reaper.continuity.JUMP_SECONDS", 1e9)
    clock = iter([0.0])
    monkeypatch.setattr(one, "_continuity", Continuity(clock=lambda: next(clock, GRACE_SECONDS)))
    return one


def stopping(engine: Engine, seconds: float) -> Claimed:
    """Return a claimed task that was asked to stop so many seconds ago."""
    (task_id,) = make(engine)
    (claimed,) = claim(engine)
    change(engine, task_id, f"stop_requested_at = UTC_TIMESTAMP(6) - INTERVAL {seconds} SECOND")
    return claimed


def test_after_the_grace_the_task_is_cancelled(engine: Engine, stops: Stops) -> None:
    claimed = stopping(engine, GRACE_SECONDS + 1)

    stops()

    assert row(engine, claimed.id)["status"] == "cancelled"
    (attempt,) = attempts(engine, claimed.id)
    assert (attempt["outcome"], attempt["worker_id"]) == ("cancelled", "test:1:0")
    assert attempt["message"] == "stopped: its worker did not end it within 30 s"


def test_the_late_worker_is_refused(engine: Engine, stops: Stops) -> None:
    claimed = stopping(engine, GRACE_SECONDS + 1)
    stops()

    refused = succeed(engine, claimed)

    assert [item.task_id for item in refused] == [claimed.id]
    assert row(engine, claimed.id)["status"] == "cancelled"
    assert len(attempts(engine, claimed.id)) == 1


def test_within_the_grace_it_is_left_to_its_worker(engine: Engine, stops: Stops) -> None:
    stopped = stopping(engine, GRACE_SECONDS - 5)
    (running,) = make(engine)
    claim(engine)

    stops()

    assert row(engine, stopped.id)["status"] == "in_progress"
    assert row(engine, running)["status"] == "in_progress"


def test_a_deleted_task_goes(engine: Engine, stops: Stops) -> None:
    claimed = stopping(engine, GRACE_SECONDS + 1)
    remove(engine, claimed.id)

    stops()

    assert row(engine, claimed.id) == {}
    assert [each["outcome"] for each in attempts(engine, claimed.id)] == ["cancelled"]


def test_after_an_outage_the_worker_gets_the_grace_again(
    engine: Engine, stops: Stops, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = stopping(engine, GRACE_SECONDS + 1)
    with monkeypatch.context() as patch:
        patch.setattr("reaper.continuity._LOOK", "SELECT no_such_column")
        with pytest.raises(OperationalError):
            stops()

    stops()

    assert row(engine, claimed.id)["status"] == "in_progress"
