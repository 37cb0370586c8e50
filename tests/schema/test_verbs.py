"""What people may do to tasks: verbs x states, from the moves themselves."""

from datetime import timedelta
from typing import Literal

import pytest
from sqlalchemy import Engine

from schema import holding, listing, tasks, verbs
from schema.filters import TaskFilter
from schema.runtime.transactions import transaction
from schema.states import MOVES, Priority, Status, Verb, allowed_actions
from schema.verbs import Answer, Order, Result
from tests.rows import attempts, claim, fail, make, remove, row, rows, succeed

PEOPLE = [Verb.START, Verb.STOP, Verb.PAUSE, Verb.RESUME, Verb.REORDER]

HOLDS = {
    (Verb.STOP, Status.CANCELLED),
    (Verb.PAUSE, Status.PAUSED),
    (Verb.RESUME, Status.TO_DO),
    (Verb.RESUME, Status.RETRYING),
}


def order(
    engine: Engine,
    verb: Verb,
    *task_ids: int,
    place: float | Literal["first", "last"] = 0,
    reason: str | None = None,
) -> list[Result]:
    with transaction(engine) as connection:
        return verbs.apply(connection, Order(verb, "somebody", reason, place), task_ids)


def in_status(engine: Engine, status: Status) -> int:
    """Return a task that came to a status by the moves that lead there."""
    (task_id,) = make(engine, retry_limit=0 if status is Status.FAILED else 3)
    match status:
        case Status.TO_DO:
            pass
        case Status.PAUSED:
            order(engine, Verb.PAUSE, task_id)
        case Status.CANCELLED:
            order(engine, Verb.STOP, task_id)
        case Status.IN_PROGRESS:
            claim(engine)
        case Status.DONE:
            succeed(engine, *claim(engine))
        case Status.FAILED | Status.RETRYING:
            fail(engine, *claim(engine))
    assert row(engine, task_id)["status"] == status
    return task_id


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("verb", PEOPLE)
def test_every_verb_in_every_state_does_what_the_table_of_moves_says(
    engine: Engine, verb: Verb, status: Status
) -> None:
    task_id = in_status(engine, status)
    before = row(engine, task_id)
    events = len(rows(engine, "SELECT id FROM task_events"))

    (result,) = order(engine, verb, task_id, reason="because")

    after = row(engine, task_id)
    new_events = rows(engine, "SELECT * FROM task_events ORDER BY id")[events:]
    if (verb, status) in HOLDS:
        assert result.answer is Answer.HOLDS_ALREADY
    elif status in MOVES[verb].sources:
        assert result.answer is Answer.DONE
        assert after["status"] == result.after
        assert after["status"] in (MOVES[verb].targets or {status}) | (
            {Status.IN_PROGRESS} if verb is Verb.STOP else set()
        )
        assert after["version"] == before["version"] + 1
        (event,) = new_events
        assert (event["task_id"], event["actor"], event["verb"]) == (task_id, "somebody", verb)
        assert (event["from_status"], event["to_status"]) == (status, after["status"])
        assert event["reason"] == "because"
        return
    else:
        assert result.answer is Answer.REFUSED
        assert str(verb) not in allowed_actions(status, stopping=False)
    assert result.before == status
    assert (after, new_events) == (before, [])


@pytest.mark.parametrize(
    ("status", "actions"),
    [
        (Status.TO_DO, ["stop", "pause", "reorder", "delete"]),
        (Status.RETRYING, ["stop", "pause", "reorder", "delete"]),
        (Status.IN_PROGRESS, ["stop", "delete"]),
        (Status.PAUSED, ["start", "resume", "reorder", "delete"]),
        (Status.DONE, ["delete"]),
        (Status.FAILED, ["start", "delete"]),
        (Status.CANCELLED, ["start", "delete"]),
    ],
)
def test_allowed_actions_are_the_verbs_of_the_state(status: Status, actions: list[str]) -> None:
    assert allowed_actions(status, stopping=False) == actions


def test_a_task_that_is_being_stopped_can_only_be_deleted(engine: Engine) -> None:
    task_id = in_status(engine, Status.IN_PROGRESS)
    order(engine, Verb.STOP, task_id)

    (again,) = order(engine, Verb.STOP, task_id)

    assert again.answer is Answer.HOLDS_ALREADY
    assert allowed_actions("in_progress", stopping=True) == ["delete"]


def test_a_started_task_begins_anew_in_its_old_place(engine: Engine) -> None:
    (task_id,) = make(engine, retry_limit=1)
    for number in range(2):
        (claimed,) = claim(engine)
        with transaction(engine) as connection:
            holding.save(connection, (task_id, claimed.fence), str(number))
        fail(engine, claimed)
    created = row(engine, task_id)["created_at"]

    order(engine, Verb.START, task_id)

    after = row(engine, task_id)
    assert (after["status"], after["current_retry_count"]) == ("to_do", 0)
    assert after["available_at"] == created
    assert after["checkpoint"] is after["last_error"] is after["finished_at"] is None
    assert (after["fence"], after["run_fence"]) == (2, 3)
    assert len(attempts(engine, task_id)) == 2
    (claimed,) = claim(engine)
    assert (claimed.fence, claimed.attempt) == (3, 1)


def test_a_resumed_task_keeps_its_retries_and_its_place(engine: Engine) -> None:
    task_id = in_status(engine, Status.RETRYING)
    before = row(engine, task_id)

    order(engine, Verb.PAUSE, task_id)
    order(engine, Verb.RESUME, task_id)

    after = row(engine, task_id)
    assert (after["status"], after["current_retry_count"]) == ("retrying", 1)
    assert after["available_at"] == before["available_at"]


class TestReorder:
    def test_an_offset_shifts_a_task(self, engine: Engine) -> None:
        (task_id,) = make(engine)
        before = row(engine, task_id)["available_at"]

        order(engine, Verb.REORDER, task_id, place=-1800.5)

        assert before - row(engine, task_id)["available_at"] == timedelta(seconds=1800.5)

    def test_first_is_before_all_of_its_queue_and_priority(self, engine: Engine) -> None:
        one, two, three, four = make(engine, 4)
        make(engine, priority=Priority.HIGH, hold=True)

        order(engine, Verb.REORDER, three, four, place="first")

        assert [task.id for task in claim(engine, 4)] == [three, four, one, two]

    def test_last_is_behind_all_that_are_due(self, engine: Engine) -> None:
        one, two, three = make(engine, 3)

        order(engine, Verb.REORDER, one, place="last")

        assert [task.id for task in claim(engine, 3)] == [two, three, one]


class TestDelete:
    @pytest.mark.parametrize("status", Status)
    def test_a_task_goes_in_every_state(self, engine: Engine, status: Status) -> None:
        task_id = in_status(engine, status)
        events = len(rows(engine, "SELECT id FROM task_events"))

        (result,) = order(engine, Verb.DELETE, task_id, reason="because")
        (again,) = order(engine, Verb.DELETE, task_id)

        assert (result.answer, result.before, result.after) == (Answer.DONE, status, None)
        assert again.answer is Answer.MISSING
        (event,) = rows(engine, "SELECT * FROM task_events ORDER BY id")[events:]
        assert (event["task_id"], event["verb"], event["reason"]) == (task_id, "delete", "because")
        assert (event["from_status"], event["to_status"]) == (status, None)
        assert bool(row(engine, task_id)) == (status is Status.IN_PROGRESS)

    def test_all_rows_of_a_waiting_task_go(self, engine: Engine) -> None:
        gone, kept = make(engine, 2, payload={"a": 1}, tags=["x"])

        results = remove(engine, gone, 10**9)

        assert [each.answer for each in results] == [Answer.DONE, Answer.MISSING]
        assert rows(engine, "SELECT id FROM tasks") == [{"id": kept}]
        assert rows(engine, "SELECT task_id FROM task_payloads") == [{"task_id": kept}]
        assert rows(engine, "SELECT task_id FROM task_tags") == [{"task_id": kept}]

    def test_one_that_runs_is_hidden_and_asked_to_stop(self, engine: Engine) -> None:
        task_id = in_status(engine, Status.IN_PROGRESS)

        remove(engine, task_id)

        with transaction(engine) as connection:
            seen = listing.find(connection, task_id)
            listed = listing.page(connection, TaskFilter(), limit=10).tasks
            edited = tasks.edit(connection, task_id, {"title": "x"})
        assert (seen, listed, edited) == (None, [], False)
        assert row(engine, task_id)["stop_requested_at"] is not None

    def test_a_stop_that_was_asked_for_keeps_its_moment(self, engine: Engine) -> None:
        task_id = in_status(engine, Status.IN_PROGRESS)
        order(engine, Verb.STOP, task_id)
        asked = row(engine, task_id)["stop_requested_at"]

        remove(engine, task_id)

        assert row(engine, task_id)["stop_requested_at"] == asked


def test_a_batch_answers_for_each_task_in_the_order_asked(engine: Engine) -> None:
    done = in_status(engine, Status.DONE)
    waiting = in_status(engine, Status.TO_DO)
    gone = in_status(engine, Status.TO_DO)
    cancelled = in_status(engine, Status.CANCELLED)
    remove(engine, gone)

    results = order(engine, Verb.STOP, waiting, gone, done, cancelled, waiting)

    assert [(each.task_id, each.answer) for each in results] == [
        (waiting, Answer.DONE),
        (gone, Answer.MISSING),
        (done, Answer.REFUSED),
        (cancelled, Answer.HOLDS_ALREADY),
        (waiting, Answer.DONE),
    ]
    assert row(engine, waiting)["status"] == "cancelled"


def test_a_deleted_task_that_still_runs_is_missing(engine: Engine) -> None:
    task_id = in_status(engine, Status.IN_PROGRESS)
    remove(engine, task_id)

    assert order(engine, Verb.STOP, task_id)[0].answer is Answer.MISSING
