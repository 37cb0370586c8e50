"""Counting tasks: what is told, and by whom it is counted."""

from typing import Any

import pytest
from sqlalchemy import Engine

from schema import counts, queues
from schema.counts import share_out
from schema.filters import TaskFilter
from schema.runtime.transactions import transaction
from schema.states import Priority, State, Status
from tests.rows import change, claim, fail, make, row, rows, succeed

BOTH = pytest.mark.parametrize("exactly", [True, False], ids=["exactly", "quickly"])


def count(engine: Engine, *, exactly: bool = True) -> None:
    with transaction(engine) as connection:
        counts.count(connection, exactly=exactly)


def counted(engine: Engine) -> dict[tuple[str, str, str], int]:
    """Return all counts but zeros."""
    found = rows(engine, "SELECT * FROM queue_counts WHERE task_count <> 0")
    return {(each["queue"], each["status"], each["priority"]): each["task_count"] for each in found}


def put(engine: Engine, task_id: int, status: str) -> None:
    """Put a task into a status, as a DBA would."""
    more = {
        "done": ", finished_at = NOW(6), completed_at = NOW(6)",
        "failed": ", finished_at = NOW(6)",
        "cancelled": ", finished_at = NOW(6)",
        "retrying": ", current_retry_count = 1",
    }
    change(engine, task_id, f"status = '{status}'{more.get(status, '')}")


@BOTH
def test_tasks_are_counted_by_queue_status_and_priority(engine: Engine, *, exactly: bool) -> None:
    made: dict[tuple[str, str, str], int] = {}
    for number, status in enumerate(Status):
        for queue in ("a", "b"):
            for priority in Priority:
                if status is Status.IN_PROGRESS:
                    continue
                ids = make(engine, 1 + number % 3, queue=queue, priority=priority)
                for task_id in ids:
                    put(engine, task_id, status)
                made[queue, status, priority] = len(ids)
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE tasks SET available_at = '2100-01-01'")
    make(engine, 2, queue="a", priority=Priority.HIGH)
    claim(engine, 2)
    count(engine)

    count(engine, exactly=exactly)

    assert counted(engine) == made | {("a", "in_progress", "高"): 2}


@BOTH
def test_a_figure_that_is_zero_now_goes(engine: Engine, *, exactly: bool) -> None:
    make(engine, queue="q", priority=Priority.LOW)
    count(engine)
    succeed(engine, *claim(engine))

    count(engine, exactly=exactly)

    assert {status for _, status, _ in counted(engine)} == {"done"}
    assert rows(engine, "SELECT status, priority FROM queue_counts WHERE task_count = 0") == [
        {"status": "to_do", "priority": "中"}
    ]


@BOTH
def test_what_was_deleted_while_it_runs_is_not_counted(engine: Engine, *, exactly: bool) -> None:
    make(engine, 2)
    for task in claim(engine, 2)[:1]:
        change(engine, task.id, "delete_requested_at = UTC_TIMESTAMP(6)")

    count(engine, exactly=exactly)

    assert counted(engine) == {("default", "in_progress", "中"): 1}


def test_all_counts_have_the_moment_at_which_they_were_taken(engine: Engine) -> None:
    make(engine, queue="a")
    count(engine)
    (first,) = rows(engine, "SELECT DISTINCT counted_at FROM queue_counts")
    make(engine, queue="b")
    count(engine)

    (second,) = rows(engine, "SELECT DISTINCT counted_at FROM queue_counts")
    assert second["counted_at"] > first["counted_at"]


def test_what_is_not_finished_is_exact_and_what_is_gets_shared_out(engine: Engine) -> None:
    for priority, number in (("高", 6), ("低", 3)):
        make(engine, number, priority=priority)
    succeed(engine, *claim(engine, 9))
    count(engine)
    make(engine, 3, priority="中")
    succeed(engine, *claim(engine, 3))
    make(engine, 2, priority="低")
    fail(engine, *claim(engine))

    count(engine, exactly=False)

    assert counted(engine) == {
        ("default", "done", "高"): 8,
        ("default", "done", "低"): 4,
        ("default", "retrying", "低"): 1,
        ("default", "to_do", "低"): 1,
    }


@pytest.mark.parametrize(
    ("total", "shares", "parts"),
    [
        (10, [1, 1, 0], [5, 5, 0]),
        (10, [2, 1, 0], [7, 3, 0]),
        (10, [0, 1, 2], [0, 3, 7]),
        (7, [0, 0, 0], [0, 7, 0]),
        (0, [3, 2, 1], [0, 0, 0]),
    ],
)
def test_a_total_is_shared_out_to_the_last_task(
    total: int, shares: list[int], parts: list[int]
) -> None:
    assert share_out(total, shares) == parts


def test_one_counts_at_a_time(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.exec_driver_sql("DELETE FROM settings WHERE name = 'counts'")
        assert not counts.take_turn(connection), "it was the first of all"
    with engine.connect() as one, engine.connect() as other:
        assert counts.take_turn(one)
        assert not counts.take_turn(other)
        one.rollback()
        assert counts.take_turn(other)
        other.rollback()


def test_the_totals_are_over_all_queues_and_have_their_moment(engine: Engine) -> None:
    def totals() -> Any:
        with engine.connect() as connection:
            return counts.totals(connection)

    assert totals() == counts.Totals(dict.fromkeys(Status, 0), None)
    make(engine, 2, queue="a", priority="高")
    make(engine, 3, queue="b")
    count(engine)

    found = totals()

    assert found.by_status[Status.TO_DO] == 5
    assert sum(found.by_status.values()) == 5
    assert found.counted_at is not None


def test_tasks_by_plain_sql_bring_their_queue_along(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.exec_driver_sql("INSERT INTO tasks (title, queue) VALUES ('by hand', 'new')")
        counts.count(connection, exactly=False)
        assert queues.adopt(connection) == ["new"]

    (claimed,) = claim(engine)
    assert row(engine, claimed.id)["title"] == "by hand"


def test_states_are_counted_as_the_statuses_that_they_stand_for(engine: Engine) -> None:
    with transaction(engine) as connection:
        assert counts.by_state(connection) is None
    for number, status in enumerate((Status.PAUSED, Status.RETRYING, Status.DONE), start=2):
        for task_id in make(engine, number):
            put(engine, task_id, status)
    make(engine, 3)
    queued, *_ = claim(engine, 3)
    make(engine, 1)
    change(engine, queued.id, "stage = 'QUEUED'")
    count(engine)

    with transaction(engine) as connection:
        found = counts.by_state(connection)

    assert found == {
        State.READY: 2,
        State.PENDING: 4,
        State.QUEUED: 1,
        State.RUNNING: 2,
        State.SUCCESS: 4,
        State.FAILED: 0,
        State.STOPPED: 0,
    }


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (TaskFilter(), 6),
        (TaskFilter(queue=["a"]), 3),
        (TaskFilter(queue=["a", "b"], state=["PENDING"], priority=["高"]), 4),
        (TaskFilter(state=["QUEUED", "RUNNING"]), 0),
        (TaskFilter(state=["FAILED"], status=["done"]), 0),
        (TaskFilter(state=["RUNNING"]), None),
        (TaskFilter(tag=["x"]), None),
        (TaskFilter(q="a"), None),
    ],
)
def test_the_counts_tell_how_many_match_where_they_can(
    engine: Engine, wanted: TaskFilter, expected: int | None
) -> None:
    for queue in ("a", "b"):
        make(engine, 2, queue=queue, priority=Priority.HIGH)
        make(engine, 1, queue=queue)
    count(engine)

    with transaction(engine) as connection:
        assert counts.matching(connection, wanted) == expected
