"""Expiring leases."""

import threading

from sqlalchemy import Engine

from reaper.sweep import sweep as sweep_all
from schema import leases
from schema.runtime.transactions import transaction
from tests.rows import (
    AT_ONCE,
    age_leases,
    attempts,
    change,
    claim,
    make,
    remove,
    row,
    rows,
    succeed,
    sweep,
)


def test_an_expired_lease_is_retried_while_a_retry_is_left(engine: Engine) -> None:
    (task_id,) = make(engine, retry_limit=1, timeout_seconds=7)
    for _ in range(2):
        claim(engine)
        age_leases(engine, task_id)
        sweep(engine)

    found = row(engine, task_id)
    assert (found["status"], found["current_retry_count"]) == ("failed", 1)
    assert found["last_error"] == "timed out: the lease of 7 s was over"
    assert [each["outcome"] for each in attempts(engine, task_id)] == ["timed_out"] * 2


def test_a_lease_that_is_not_over_is_left_alone(engine: Engine) -> None:
    (task_id,) = make(engine)
    claim(engine)

    assert sweep(engine) == 0
    assert row(engine, task_id)["status"] == "in_progress"


def test_the_sweep_looks_twice(engine: Engine) -> None:
    (task_id,) = make(engine)
    (claimed,) = claim(engine)
    age_leases(engine, task_id)
    with transaction(engine) as connection:
        found = leases.overdue(connection, limit=10)
    succeed(engine, claimed)

    with transaction(engine) as connection:
        expired = leases.expire(connection, found, AT_ONCE)

    assert (found, expired) == ([task_id], 0)
    assert row(engine, task_id)["status"] == "done"


def test_a_task_claimed_again_is_not_expired_for_its_old_lease(engine: Engine) -> None:
    (task_id,) = make(engine)
    claim(engine)
    age_leases(engine, task_id)
    with transaction(engine) as connection:
        found = leases.overdue(connection, limit=10)
    sweep(engine)
    claim(engine, worker_id="next")

    with transaction(engine) as connection:
        assert leases.expire(connection, found, AT_ONCE) == 0
    assert row(engine, task_id)["worker_id"] == "next"


def test_a_stopped_task_is_cancelled_when_its_lease_expires(engine: Engine) -> None:
    (task_id,) = make(engine)
    claim(engine)
    change(engine, task_id, "stop_requested_at = UTC_TIMESTAMP(6)")
    age_leases(engine, task_id)

    sweep(engine)

    assert row(engine, task_id)["status"] == "cancelled"


def test_a_deleted_task_goes_when_its_lease_expires(engine: Engine) -> None:
    (task_id,) = make(engine)
    claim(engine)
    remove(engine, task_id)
    age_leases(engine, task_id)

    sweep(engine)

    assert row(engine, task_id) == {}


def test_the_sweep_goes_on_page_by_page(engine: Engine) -> None:
    make(engine, 1_100)
    claim(engine, 1_100)
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE tasks SET lease_expires_at = '2020-01-01'")

    sweep_all(engine, AT_ONCE)

    assert rows(engine, "SELECT DISTINCT status FROM tasks") == [{"status": "retrying"}]


def test_three_reapers_at_once_count_each_expiry_once(engine: Engine) -> None:
    make(engine, 600)
    claim(engine, 600)
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE tasks SET lease_expires_at = '2020-01-01'")

    threads = [threading.Thread(target=sweep_all, args=(engine, AT_ONCE)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    counts = rows(engine, "SELECT DISTINCT status, current_retry_count FROM tasks")
    assert counts == [{"status": "retrying", "current_retry_count": 1}]
    assert rows(engine, "SELECT COUNT(*) AS n FROM task_attempts") == [{"n": 600}]
