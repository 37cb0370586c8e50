"""Intervening by SQL: the procedures do what the verbs do, and refuse what they refuse."""

from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from schema import verbs
from schema.runtime.errors import error_code
from schema.runtime.transactions import transaction
from schema.states import Status, Verb
from schema.verbs import SUCCESSES, Order
from tests.rows import change, claim, limit, make, row, rows
from tests.schema.test_counts import put

REFUSED = 1644
STOPPING = "stopping"


def call(engine: Engine, procedure: str, *arguments: Any) -> None:
    marks = ", ".join(["%s"] * len(arguments))
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CALL {procedure}({marks})", arguments)


def refusal(engine: Engine, procedure: str, *arguments: Any) -> str:
    """Return why the procedure refuses."""
    with pytest.raises(DBAPIError) as caught:
        call(engine, procedure, *arguments)
    assert error_code(caught.value) == REFUSED
    return str(caught.value.orig.args[1])  # type: ignore[union-attr]


def make_in(engine: Engine, status: str) -> int:
    """Make a task in a status, with what a task that ran has."""
    (task_id,) = make(engine)
    if status in {Status.IN_PROGRESS, STOPPING}:
        claim(engine)
        if status == STOPPING:
            change(engine, task_id, "stop_requested_at = NOW(6)")
    elif status != Status.TO_DO:
        put(engine, task_id, status)
        change(engine, task_id, "last_error = 'boom', crash_count = 1, lost_count = 2")
    return task_id


def seen(engine: Engine, task_id: int) -> dict[str, Any]:
    """Return what the task is and what was recorded of it, without moments and numbers."""
    task = row(engine, task_id)
    moments = {name for name in task if name.endswith("_at")} - {"available_at"}
    shown = {name: value is not None for name, value in task.items() if name in moments}
    left_out = moments | {"id", "available_at"}
    shown |= {name: value for name, value in task.items() if name not in left_out}
    shown["is_in_old_place"] = task["available_at"] == task["created_at"]
    query = (
        "SELECT verb, from_status, to_status, reason FROM task_events"
        f" WHERE task_id = {task_id} ORDER BY id"
    )
    return shown | {"events": rows(engine, query)}


def by_verb(engine: Engine, verb: Verb, task_id: int) -> bool:
    with transaction(engine) as connection:
        (result,) = verbs.apply(connection, Order(verb, "somebody", "why not"), [task_id])
    return result.answer in SUCCESSES


def by_procedure(engine: Engine, verb: Verb, task_id: int) -> bool:
    try:
        call(engine, f"p_{verb}_task", task_id, "why not")
    except DBAPIError as error:
        if error_code(error) != REFUSED:
            raise
        return False
    return True


@pytest.mark.parametrize("status", [*Status, STOPPING])
@pytest.mark.parametrize("verb", [Verb.START, Verb.STOP])
def test_a_procedure_does_what_the_verb_does(engine: Engine, verb: Verb, status: str) -> None:
    first = make_in(engine, status)
    is_taken = by_verb(engine, verb, first)
    second = make_in(engine, status)

    assert by_procedure(engine, verb, second) == is_taken

    assert seen(engine, second) == seen(engine, first)


def test_the_event_says_which_user_of_the_database_it_was(engine: Engine) -> None:
    (task_id,) = make(engine)
    call(engine, "p_stop_task", task_id, "磁盘已满")

    (event,) = rows(engine, "SELECT actor, reason FROM task_events")

    assert event["actor"].startswith("root@")
    assert event["reason"] == "磁盘已满"


def test_a_refusal_says_how_the_task_stands(engine: Engine) -> None:
    task_id = make_in(engine, "done")

    assert refusal(engine, "p_stop_task", task_id, None) == (
        f"task {task_id} is done: stop is not allowed"
    )
    assert refusal(engine, "p_start_task", task_id + 1, None) == f"there is no task {task_id + 1}"


def test_a_task_that_was_deleted_while_it_runs_is_not_there(engine: Engine) -> None:
    task_id = make_in(engine, STOPPING)
    change(engine, task_id, "delete_requested_at = NOW(6)")

    assert refusal(engine, "p_stop_task", task_id, None) == f"there is no task {task_id}"


def test_a_start_whose_key_is_taken_is_refused(engine: Engine) -> None:
    (task_id,) = make(engine, unique_key="k")
    put(engine, task_id, "failed")
    make(engine, unique_key="k")

    assert refusal(engine, "p_start_task", task_id, None) == (
        "another unfinished task has its unique_key"
    )
    assert row(engine, task_id)["status"] == "failed"
    assert rows(engine, "SELECT id FROM task_events") == []


def test_a_refused_procedure_leaves_no_transaction_open(engine: Engine) -> None:
    (task_id,) = make(engine)
    with engine.connect() as one:
        with pytest.raises(DBAPIError):
            one.exec_driver_sql("CALL p_start_task(%s, NULL)", (task_id,))
        call(engine, "p_stop_task", task_id, None)

    assert row(engine, task_id)["status"] == "cancelled"


def test_a_queue_is_paused_until_it_is_resumed(engine: Engine) -> None:
    make(engine, queue="q")

    call(engine, "p_pause_queue", "q", "moving")
    assert claim(engine) == []
    (paused,) = rows(engine, "SELECT is_paused, paused_reason, paused_by, resume_at FROM queues")
    call(engine, "p_resume_queue", "q", None)

    assert paused.pop("paused_by").startswith("root@")
    assert paused == {"is_paused": 1, "paused_reason": "moving", "resume_at": None}
    assert rows(engine, "SELECT paused_by FROM queues") == [{"paused_by": None}]
    assert len(claim(engine)) == 1


def test_a_pause_that_holds_stays_as_it_is(engine: Engine) -> None:
    limit(engine, "q", is_paused=1, paused_at="'2026-01-01'", paused_reason="'first'")

    call(engine, "p_pause_queue", "q", "second")

    (queue,) = rows(engine, "SELECT paused_reason, YEAR(paused_at) AS year FROM queues")
    assert queue == {"paused_reason": "first", "year": 2026}


def test_a_pause_that_would_end_by_itself_is_made_lasting(engine: Engine) -> None:
    limit(engine, "q", is_paused=1, paused_at="'2026-01-01'", resume_at="'2100-01-01'")

    call(engine, "p_pause_queue", "q", "for good")

    (queue,) = rows(engine, "SELECT paused_reason, resume_at FROM queues")
    assert queue == {"paused_reason": "for good", "resume_at": None}


@pytest.mark.parametrize("procedure", ["p_pause_queue", "p_resume_queue"])
def test_a_queue_that_is_not_there_is_refused(engine: Engine, procedure: str) -> None:
    assert refusal(engine, procedure, "nowhere", None) == "there is no queue nowhere"


def test_a_plain_update_that_breaks_a_rule_is_refused_by_a_constraint_with_a_name(
    engine: Engine,
) -> None:
    (task_id,) = make(engine)

    with pytest.raises(DBAPIError, match="ck_tasks_in_progress_has_lease"):
        change(engine, task_id, "status = 'in_progress'")


@pytest.mark.parametrize(
    "has",
    [
        "callback_url = 'https://example.org/'",
        """task_type = 'runninghub', checkpoint = '{"step": "accepted"}'""",
    ],
)
def test_what_ends_elsewhere_too_is_not_ended_by_sql_alone(engine: Engine, has: str) -> None:
    task_id = make_in(engine, Status.TO_DO)
    change(engine, task_id, has)

    assert "stop it over HTTP" in refusal(engine, "p_stop_task", task_id, "why not")
    assert row(engine, task_id)["status"] == Status.TO_DO


def test_a_start_by_sql_forgets_no_run_that_goes_on_elsewhere(engine: Engine) -> None:
    task_id = make_in(engine, Status.PAUSED)
    change(engine, task_id, """task_type = 'runninghub', checkpoint = '{"step": "accepted"}'""")
    before = row(engine, task_id)

    assert "start it over HTTP" in refusal(engine, "p_start_task", task_id, "why not")
    assert row(engine, task_id) == before
