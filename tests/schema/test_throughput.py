"""What ended in a period, and how quickly: whole where it is little, bounded where it is much."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine

from schema import throughput
from schema.attempts import Released
from schema.runtime.transactions import transaction
from schema.throughput import Period
from tests.rows import claim, end, ended, fail, make, succeed

NOW = datetime(2031, 5, 4, 12, 0, 7)  # noqa: DTZ001  # as the database has it


def move(engine: Engine, assignments: str) -> None:
    """Change all attempts."""
    with transaction(engine) as connection:
        connection.exec_driver_sql(f"UPDATE task_attempts SET {assignments}")


def at(moment: datetime) -> str:
    """Return assignments that let all attempts have ended at a moment."""
    return f"started_at = '{moment}', ended_at = '{moment}', available_at = '{moment}'"


def copy(connection: Connection, count: int) -> None:
    """Let there be `count` attempts like those that there are, each a millisecond later."""
    connection.exec_driver_sql("SET @number = (SELECT MAX(task_id) FROM task_attempts)")
    have = connection.exec_driver_sql("SELECT COUNT(*) FROM task_attempts").scalar_one()
    while have < count:
        step = min(have, count - have)
        connection.exec_driver_sql(
            "INSERT INTO task_attempts (task_id, fence, attempt, worker_id, available_at,"
            " started_at, ended_at, outcome) SELECT task_id + @number, 1, 1, 'w', available_at,"
            f" started_at, ended_at + INTERVAL {have} * 1000 MICROSECOND, outcome"
            f" FROM task_attempts ORDER BY task_id LIMIT {step}"
        )
        connection.exec_driver_sql("SET @number = (SELECT MAX(task_id) FROM task_attempts)")
        have += step


def test_each_slice_tells_what_succeeded_and_what_failed(engine: Engine) -> None:
    make(engine, 5)
    claimed = claim(engine, 5)
    succeed(engine, *claimed[:2])
    fail(engine, claimed[2])
    fail(engine, claimed[3], for_good=True)
    end(engine, ended(claimed[4], Released()))
    move(engine, at(NOW - timedelta(minutes=3)))

    with engine.connect() as connection:
        slices = throughput.throughput(connection, Period.HOUR, NOW)

    assert len(slices) == 60
    assert slices[-1].at == NOW.replace(second=0)
    counted = {each.at: (each.succeeded, each.failed) for each in slices if each.succeeded}
    assert counted == {NOW.replace(minute=57, second=0, hour=11): (2, 2)}
    assert not any(each.is_estimate for each in slices)


@pytest.mark.parametrize("period", Period)
def test_what_ended_just_now_is_in_the_last_slice_of_every_period(
    engine: Engine, period: Period
) -> None:
    make(engine)
    succeed(engine, *claim(engine))
    move(engine, at(NOW))

    with engine.connect() as connection:
        slices = throughput.throughput(connection, period, NOW)

    assert [each.succeeded for each in slices[-2:]] == [0, 1]


def test_slices_with_very_many_are_counted_or_estimated(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(engine)
    succeed(engine, *claim(engine))
    move(engine, at(NOW))
    with transaction(engine) as connection:
        copy(connection, 48_000)
    move(
        engine,
        "ended_at = ended_at - INTERVAL CRC32(task_id) %% 6 * 10800 SECOND - INTERVAL 3 HOUR,"
        " outcome = IF(CRC32(task_id + 1) %% 5 = 0, 'lost', 'succeeded')",
    )
    with transaction(engine) as connection:
        connection.exec_driver_sql("ANALYZE TABLE task_attempts").all()
    with engine.connect() as connection:
        counted = throughput.throughput(connection, Period.WEEK, NOW)
        monkeypatch.setattr(throughput, "MOST_COUNTED", 0)
        estimated = throughput.throughput(connection, Period.WEEK, NOW)

    assert sum(each.succeeded + each.failed for each in counted) == 48_000
    assert sum(each.succeeded + each.failed for each in estimated) == pytest.approx(48_000, rel=0.3)
    for slices in (counted, estimated):
        assert sum(each.is_estimate for each in slices) == 6
        share = sum(each.failed for each in slices) / sum(each.succeeded for each in slices)
        assert share == pytest.approx(1 / 4, rel=0.1)


def test_percentiles_tell_how_long_attempts_waited_and_ran(engine: Engine) -> None:
    make(engine, 20)
    succeed(engine, *claim(engine, 20))
    move(engine, at(NOW))
    move(
        engine,
        "available_at = ended_at - INTERVAL 10 + task_id %% 20 SECOND,"
        " started_at = ended_at - INTERVAL 4 SECOND",
    )

    with engine.connect() as connection:
        found = throughput.durations(connection, Period.QUARTER, NOW)

    assert (found.attempts, found.running.p50, found.running.p95) == (20, 4, 4)
    assert (found.waiting.p50, found.waiting.p95) == (15, 24)


def test_what_was_given_back_unrun_has_no_percentiles(engine: Engine) -> None:
    make(engine)
    [claimed] = claim(engine)
    end(engine, ended(claimed, Released()))

    with engine.connect() as connection:
        now = connection.exec_driver_sql("SELECT UTC_TIMESTAMP(6)").scalar_one()
        found = throughput.durations(connection, Period.DAY, now)

    assert (found.attempts, found.waiting.p50, found.running.p95) == (0, None, None)


def test_rates_are_of_the_queues_of_what_ended(engine: Engine) -> None:
    make(engine, 10, queue="a")
    make(engine, 5, queue="b")
    make(engine, queue="idle")
    succeed(engine, *claim(engine, 10, queues=["a"]), *claim(engine, 5, queues=["b"]))

    with engine.connect() as connection:
        assert throughput.ended_per_minute(connection) == {"a": 2, "b": 1}
