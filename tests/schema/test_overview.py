"""How the whole system stands: each thing that is wrong raises its alarm, and nothing else."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from schema import counts, dispatcher, overview, pressure, queues, workers
from schema.overview import Alarm, AlarmCode, Overview
from schema.pressure import Pressure, Snapshot
from schema.runtime.transactions import transaction
from schema.workers import WorkerDescription
from tests.rows import change, claim, fail, make, succeed
from tests.schedule_rows import change_schedule, make_schedule

FORGET = "DELETE FROM settings WHERE name = 'pressure'"


@pytest.fixture(autouse=True)
def runs_afterwards(engine: Engine) -> Iterator[None]:
    """Lets the dispatcher run again afterwards, and forgets what reapers saw."""
    with transaction(engine) as connection:
        connection.exec_driver_sql(FORGET)
    yield
    with transaction(engine) as connection:
        connection.exec_driver_sql(FORGET)
        dispatcher.set_running(connection, None, is_running=True)


def count(engine: Engine) -> None:
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)


def start_worker(engine: Engine, name: str = "w", *, takes: str = "*") -> None:
    description = WorkerDescription("host", 1, "0.1.0", takes.split(","), ["default"], 4)
    with transaction(engine) as connection:
        workers.register(connection, name, description)


def look(engine: Engine) -> Overview:
    with engine.connect() as connection:
        return overview.look(connection)


def alarms(engine: Engine) -> list[tuple[str, str | None]]:
    return [(each.code, each.queue) for each in look(engine).alarms]


@pytest.fixture
def healthy(engine: Engine) -> Engine:
    """A system with a worker, counts, and a task that waits."""
    make(engine, queue="a")
    start_worker(engine)
    count(engine)
    return engine


def test_a_healthy_system_raises_no_alarm(healthy: Engine) -> None:
    assert alarms(healthy) == []


def test_a_stopped_dispatcher_is_told_with_its_reason(healthy: Engine) -> None:
    with transaction(healthy) as connection:
        dispatcher.set_running(connection, "a release", is_running=False)

    [alarm] = look(healthy).alarms
    assert (alarm.code, alarm.reason) == (AlarmCode.DISPATCHER_STOPPED, "a release")
    assert alarm.since


def test_a_reaper_that_does_not_count_is_silent(healthy: Engine) -> None:
    with transaction(healthy) as connection:
        connection.exec_driver_sql("UPDATE queue_counts SET counted_at = '2026-01-01'")
    assert alarms(healthy) == [("reaper_silent", None)]
    with transaction(healthy) as connection:
        connection.exec_driver_sql("DELETE FROM queue_counts")
    assert look(healthy).alarms == (Alarm(AlarmCode.REAPER_SILENT),)
    assert look(healthy).by_state is None


def test_a_queue_that_no_worker_takes_is_told_if_its_tasks_are_due(healthy: Engine) -> None:
    with transaction(healthy) as connection:
        connection.exec_driver_sql("""UPDATE workers SET queues = '["*", "-b"]'""")
    [task_id] = make(healthy, queue="b")
    assert alarms(healthy) == [("no_worker", "b")]

    change(healthy, task_id, "available_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR")
    assert alarms(healthy) == []
    change(healthy, task_id, "available_at = UTC_TIMESTAMP(6)")
    start_worker(healthy, "other", takes="b")
    assert alarms(healthy) == []


@pytest.mark.parametrize(
    "assignment",
    [
        "status = 'draining'",
        "status = 'dead', ended_at = UTC_TIMESTAMP(6)",
        "last_heartbeat_at = UTC_TIMESTAMP(6) - INTERVAL 8 SECOND",
    ],
)
def test_without_a_worker_that_claims_one_alarm_stands_for_all_queues(
    healthy: Engine, assignment: str
) -> None:
    make(healthy, queue="b")
    with transaction(healthy) as connection:
        connection.exec_driver_sql(f"UPDATE workers SET {assignment}")

    assert alarms(healthy) == [("no_worker", None)]


def test_a_paused_queue_is_told_until_it_resumes_by_itself(healthy: Engine) -> None:
    with transaction(healthy) as connection:
        queues.pause(connection, "a", "a new model", seconds=60)

    [alarm] = look(healthy).alarms
    assert (alarm.code, alarm.queue, alarm.reason) == ("queue_paused", "a", "a new model")
    assert alarm.until
    with transaction(healthy) as connection:
        connection.exec_driver_sql("UPDATE queues SET resume_at = UTC_TIMESTAMP(6)")
    assert alarms(healthy) == []


def test_a_schedule_that_did_not_run_is_told_after_a_minute(healthy: Engine) -> None:
    schedule_id = make_schedule(healthy, name="nightly")
    late = "next_execution_time = UTC_TIMESTAMP(6) - INTERVAL {} SECOND"
    change_schedule(healthy, schedule_id, late.format(50))
    assert alarms(healthy) == []

    change_schedule(healthy, schedule_id, late.format(70))

    [alarm] = look(healthy).alarms
    assert (alarm.code, alarm.schedule_id, alarm.name) == (
        AlarmCode.SCHEDULE_OVERDUE,
        schedule_id,
        "nightly",
    )


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (
            Pressure(7, Snapshot(4, "ann", "10.0.0.9", 90)),
            "thread 4 of ann@10.0.0.9, open for 90 s",
        ),
        (Pressure(100_001, None), "100001 row versions wait for the purge"),
        (Pressure(7, Snapshot(4, "ann", "10.0.0.9", 59)), None),
    ],
)
def test_a_purge_that_is_held_up_is_told_as_the_reaper_saw_it(
    healthy: Engine, found: Pressure, reason: str | None
) -> None:
    with transaction(healthy) as connection:
        pressure.note(connection, found)
    told = [(each.code, each.reason) for each in look(healthy).alarms]
    assert told == ([("purge_held_up", reason)] if reason else [])

    with transaction(healthy) as connection:
        connection.exec_driver_sql(
            "UPDATE settings SET updated_at = UTC_TIMESTAMP(6) - INTERVAL 61 SECOND"
            " WHERE name = 'pressure'"
        )
    assert alarms(healthy) == []


def test_workers_are_alive_or_draining_or_silent(engine: Engine) -> None:
    for name in ("alive", "other", "draining", "silent", "gone"):
        start_worker(engine, name)
    with transaction(engine) as connection:
        workers.drain(connection, "draining")
        workers.leave(connection, "gone")
        connection.exec_driver_sql(
            "UPDATE workers SET last_heartbeat_at = UTC_TIMESTAMP(6) - INTERVAL 8 SECOND"
            " WHERE id = 'silent'"
        )

    found = look(engine).workforce

    assert (found.alive, found.draining, found.stale, found.slots) == (2, 1, 1, 8)


def test_the_oldest_due_task_of_all_queues_is_told(engine: Engine) -> None:
    make(engine, queue="a")
    [oldest] = make(engine, queue="b", priority="低")
    [later] = make(engine, queue="c")
    assert (look(engine).oldest_seconds or 0) < 60
    change(engine, oldest, "available_at = UTC_TIMESTAMP(6) - INTERVAL 90 SECOND")
    change(engine, later, "available_at = UTC_TIMESTAMP(6) + INTERVAL 90 SECOND")

    assert 90 <= (look(engine).oldest_seconds or 0) < 120


def test_errors_are_counted_by_class_for_what_failed_or_is_tried_again(engine: Engine) -> None:
    make(engine, 4)
    claimed = claim(engine, 4)
    fail(engine, *claimed[:2], for_good=True)
    fail(engine, claimed[2])
    succeed(engine, claimed[3])
    [other] = make(engine)
    change(
        engine,
        other,
        "status = 'failed', finished_at = UTC_TIMESTAMP(6), error_class = 'TimedOut'",
    )

    with engine.connect() as connection:
        found = overview.error_classes(connection)

    assert [(each.name, each.tasks) for each in found] == [("ValueError", 3), ("TimedOut", 1)]
    assert found[1].newest_id == other


def test_without_errors_there_are_no_classes(engine: Engine) -> None:
    make(engine)

    with engine.connect() as connection:
        assert overview.error_classes(connection) == []
