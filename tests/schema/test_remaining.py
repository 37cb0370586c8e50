"""Whether work is left, for workers that end by themselves."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from schema import queues, remaining
from schema.runtime.transactions import transaction
from tests.rows import change, claim, fail, make, rows, succeed

TYPES = ["known", "other"]


def left(engine: Engine, *changes: str) -> tuple[Sequence[str], Sequence[str]]:
    """Return the queues with due and with unfinished tasks, after changes that are undone."""
    with engine.connect() as connection:
        for statement in changes:
            connection.exec_driver_sql(statement)
        return _left(connection)


def _left(connection: Connection) -> tuple[Sequence[str], Sequence[str]]:
    due = remaining.queues_with_due(connection, TYPES, remaining.now(connection))
    return due, remaining.queues_with_unfinished(connection, TYPES)


def test_a_task_that_is_due_waits_in_its_queue(engine: Engine) -> None:
    for priority in ("高", "低"):
        make(engine, queue=f"q.{ord(priority)}", priority=priority, task_type="known")

    assert left(engine) == (["q.20302", "q.39640"], ["q.20302", "q.39640"])


def test_a_task_that_is_due_later_is_only_unfinished(engine: Engine) -> None:
    (task_id,) = make(engine, task_type="known")
    change(engine, task_id, "available_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR")

    assert left(engine) == ([], ["default"])


def test_a_task_that_came_after_the_moment_was_not_due_at_it(engine: Engine) -> None:
    with engine.connect() as connection:
        before = remaining.now(connection)
        make(engine, task_type="known")

        assert remaining.queues_with_due(connection, TYPES, before) == []


def test_a_task_in_progress_is_unfinished_and_a_finished_one_is_not(engine: Engine) -> None:
    make(engine, 2, task_type="known", retry_limit=0)
    claimed = claim(engine, 2)
    assert left(engine) == ([], ["default"])

    succeed(engine, claimed[0])
    fail(engine, claimed[1])

    assert left(engine) == ([], [])


def test_types_that_are_not_known_and_paused_tasks_do_not_count(engine: Engine) -> None:
    make(engine, task_type="unknown")
    make(engine, task_type="known", hold=True)

    assert left(engine) == ([], [])


def test_a_paused_queue_counts_if_it_resumes_by_itself(engine: Engine) -> None:
    make(engine, task_type="known", queue="resumes")
    make(engine, task_type="known", queue="paused")
    with transaction(engine) as connection:
        queues.pause(connection, "resumes", None, seconds=60)
        queues.pause(connection, "paused", None)

    assert left(engine) == ([], ["resumes"])
    over = "UPDATE queues SET resume_at = UTC_TIMESTAMP(6) WHERE name = 'resumes'"
    assert left(engine, over) == (["resumes"], ["resumes"])


def test_a_task_in_progress_in_a_paused_queue_counts(engine: Engine) -> None:
    make(engine, 2, task_type="known")
    claim(engine)
    with transaction(engine) as connection:
        queues.pause(connection, "default", None)

    assert left(engine) == ([], ["default"])


def test_what_a_stopped_dispatcher_or_a_limit_of_none_holds_back_does_not_count(
    engine: Engine,
) -> None:
    make(engine, task_type="known")
    stopped = json.dumps({"is_running": False})

    assert left(engine) == (["default"], ["default"])
    assert left(engine, f"UPDATE settings SET value = '{stopped}' WHERE name = 'dispatcher'") == (
        [],
        [],
    )
    assert left(engine, "UPDATE queues SET max_concurrency = 0") == ([], [])
    assert left(engine, "UPDATE queues SET max_concurrency = 1") == (["default"], ["default"])


def test_tasks_are_looked_up_by_index(engine: Engine) -> None:
    make(engine, 50, task_type="known")
    claim(engine, 5)
    with engine.connect() as connection:
        moment = remaining.now(connection)
    for query in (remaining._WITH_DUE, remaining._WITH_UNFINISHED):
        statement = query.params(types=TYPES, moment=moment).compile(
            engine, compile_kwargs={"literal_binds": True}
        )

        plan = rows(engine, f"EXPLAIN FORMAT=TRADITIONAL {statement}".replace("%%", "%"))

        of_tasks = [step for step in plan if step["table"] == "tasks"]
        assert of_tasks
        assert {step["type"] for step in of_tasks} <= {"ref", "range", "eq_ref"}
