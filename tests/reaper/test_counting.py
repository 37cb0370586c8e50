"""The chore that counts: how often, how exactly, and beside others."""

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from reaper.counting import (
    LONGEST_QUICK_SECONDS,
    REST,
    REST_FROM_EXACT,
    REST_FROM_FAILURE_SECONDS,
    SHORTEST_REST_SECONDS,
    Counting,
)
from schema import counts
from schema.runtime.transactions import transaction
from tests.processes import Start
from tests.rows import make, rows
from tests.waiting import wait_for


class Counter:
    """A clock that the test winds, and counts that take as long as the test says."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = 1_000.0
        self.seconds = {True: 0.0, False: 0.0}
        self.fails = False
        self.counted: list[bool] = []

    def __call__(self) -> float:
        return self.now

    def count(self, connection: Connection, *, exactly: bool) -> None:
        self.now += self.seconds[exactly]
        if self.fails and exactly:
            raise OperationalError("SELECT", {}, Exception(1969, "out of time"))
        self.counted.append(exactly)
        counts_count(connection, exactly=exactly)

    def pass_by(self, seconds: float) -> None:
        """Let time pass, in the database too."""
        self.now += seconds
        with transaction(self.engine) as connection:
            connection.exec_driver_sql(
                "UPDATE queue_counts SET counted_at = counted_at - INTERVAL %s SECOND", (seconds,)
            )


counts_count = counts.count


@pytest.fixture
def counter(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Counter:
    make(engine, 3)
    with transaction(engine) as connection:
        counts.take_turn(connection)
    one = Counter(engine)
    monkeypatch.setattr(counts, "count", one.count)
    return one


@pytest.fixture
def counting(engine: Engine, counter: Counter) -> Counting:
    return Counting(engine, counter)


def go_on(counter: Counter, counting: Counting, seconds: float, step: float = 1.0) -> None:
    """Let the reaper tick for a while."""
    end = counter.now + seconds
    while counter.now < end:
        counting()
        counter.pass_by(step)


def test_what_is_small_is_soon_counted_exactly_every_time(
    counter: Counter, counting: Counting
) -> None:
    go_on(counter, counting, 4 * SHORTEST_REST_SECONDS, 0.5)

    assert counter.counted == [False, True, True, True]


def test_a_count_is_followed_by_a_rest_nineteen_times_as_long(
    counter: Counter, counting: Counting
) -> None:
    counter.seconds = {True: 0.5, False: 0.5}
    counting()
    counter.pass_by(REST * 0.5 - 0.1)
    counting()
    assert len(counter.counted) == 1

    counter.pass_by(0.2)
    counting()

    assert len(counter.counted) == 2


def test_what_takes_long_is_counted_exactly_now_and_then(
    counter: Counter, counting: Counting
) -> None:
    counter.seconds = {True: 1.0, False: 0.2}

    go_on(counter, counting, REST_FROM_EXACT + 30)

    assert counter.counted.count(True) == 2
    assert counter.counted.count(False) >= 15


def test_what_takes_too_long_is_never_counted_exactly(counter: Counter, counting: Counting) -> None:
    counter.seconds = {True: 60.0, False: 2 * LONGEST_QUICK_SECONDS}

    go_on(counter, counting, 300)

    assert counter.counted == [False] * 8


def test_an_exact_count_that_fails_does_not_keep_the_quick_ones(
    counter: Counter, counting: Counting
) -> None:
    counter.fails = True
    go_on(counter, counting, SHORTEST_REST_SECONDS)
    with pytest.raises(OperationalError):
        counting()
    counter.fails = False

    go_on(counter, counting, REST_FROM_FAILURE_SECONDS + 20, step=20)

    assert counter.counted.count(False) > 20
    assert counter.counted[-1] is True
    assert counter.counted.count(True) <= 2


def test_several_leave_fresh_counts_alone(engine: Engine, counter: Counter) -> None:
    several = [Counting(engine, counter) for _ in range(3)]
    for one in several:
        one()
    assert len(counter.counted) == 1

    counter.pass_by(SHORTEST_REST_SECONDS)
    for one in several:
        one()

    assert len(counter.counted) == 2


def test_nobody_counts_beside_another(engine: Engine, counter: Counter, counting: Counting) -> None:
    with engine.connect() as other:
        assert counts.take_turn(other)
        counting()
        assert counter.counted == []
        other.rollback()

    counting()

    assert len(counter.counted) == 1


def test_counts_from_the_future_do_not_last(counter: Counter, counting: Counting) -> None:
    counting()
    counter.pass_by(-3600)
    counter.now += 2 * 3600
    counting()

    assert len(counter.counted) == 2


def test_a_reaper_counts_and_finds_queues(engine: Engine, start: Start) -> None:
    with transaction(engine) as connection:
        connection.exec_driver_sql("INSERT INTO tasks (title, queue) VALUES ('by hand', 'new')")
    one = start("reaper", REAPER_INTERVAL_SECONDS="0.05")

    assert one.wait_for_event("queues came to be with their tasks")["queues"] == ["new"]
    wait_for(lambda: rows(engine, "SELECT queue FROM queue_counts"))
    assert rows(engine, "SELECT name FROM queues") == [{"name": "new"}]
    assert one.stop() == 0
