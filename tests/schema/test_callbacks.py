"""Callbacks: made by whatever ends a task, with it, and by nothing else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, event

from schema import batches, leases, listing, tasks, verbs
from schema.attempts import Claimed, Failed, Failure, Held, Released, Snoozed, Succeeded
from schema.filters import TaskFilter
from schema.limits import CALLBACK_RETRY_SECONDS
from schema.reserved import CALLBACK_QUEUE, CALLBACK_TYPE
from schema.runtime.transactions import transaction
from schema.settling import settle_by_fences
from schema.states import AttemptOutcome, Status, Verb
from schema.verbs import Order
from tests.rows import (
    AT_ONCE,
    WORKER,
    age_leases,
    attempts,
    change,
    claim,
    end,
    ended,
    fail,
    make,
    remove,
    row,
    rows,
    succeed,
    sweep,
)
from tests.schedule_rows import fire, let_fall_due, make_schedule

URL = "https://receiver.example/hook?x=1"


def make_one(engine: Engine, **fields: Any) -> int:
    (task_id,) = make(engine, **{"callback_url": URL} | fields)
    return task_id


def claimed(engine: Engine, task_id: int) -> Claimed:
    (task,) = claim(engine, queues=["default"])
    assert task.id == task_id
    return task


def callbacks(engine: Engine, task_id: int) -> list[dict[str, Any]]:
    """Return the callbacks of a task, oldest first, each with its payload."""
    query = f"SELECT id FROM tasks WHERE callback_of = {task_id} ORDER BY id"
    with engine.connect() as connection:
        found = [listing.find(connection, each["id"]) for each in rows(engine, query)]
    return [task for task in found if task is not None]


def order(engine: Engine, verb: Verb, *task_ids: int) -> None:
    with transaction(engine) as connection:
        verbs.apply(connection, Order(verb, "somebody"), task_ids)


def stop_in_batch(engine: Engine, task_id: int) -> None:
    with transaction(engine) as connection:
        batches.apply_matching(connection, Order(Verb.STOP, "x"), TaskFilter(status=["to_do"]))
    assert row(engine, task_id)["status"] == "cancelled"


def stop_while_it_runs(engine: Engine, task_id: int) -> None:
    task = claimed(engine, task_id)
    order(engine, Verb.STOP, task_id)
    assert callbacks(engine, task_id) == []
    fail(engine, task)


def stop_and_release(engine: Engine, task_id: int) -> None:
    task = claimed(engine, task_id)
    order(engine, Verb.STOP, task_id)
    with transaction(engine) as connection:
        hold = (task.id, task.fence)
        leases.release_unknown(connection, worker_id=WORKER, holds=[hold], backoff=AT_ONCE)


def ignore_the_stop(engine: Engine, task_id: int) -> None:
    claimed(engine, task_id)
    order(engine, Verb.STOP, task_id)
    with transaction(engine) as connection:
        leases.cancel(connection, [task_id], AT_ONCE, grace_seconds=0)


def expire(engine: Engine, task_id: int) -> None:
    claimed(engine, task_id)
    age_leases(engine, task_id)
    assert sweep(engine) == 1


def settle_over_http(engine: Engine, task_id: int) -> None:
    task = claimed(engine, task_id)
    with transaction(engine) as connection:
        ends = {(task.id, task.fence): Succeeded('{"a": 1}')}
        assert settle_by_fences(connection, WORKER, ends, AT_ONCE) == set()


def end_as_claimed(engine: Engine, task_id: int, outcome: Any) -> None:
    task = claimed(engine, task_id)
    assert end(engine, ended(task, outcome)._replace(has_callback=task.has_callback)) == []


BOOM = Failure("ValueError", "boom")
ENDS: dict[str, tuple[Callable[[Engine, int], None], Status]] = {
    "succeed": (partial(end_as_claimed, outcome=Succeeded()), Status.DONE),
    "fail": (partial(end_as_claimed, outcome=Failed(BOOM)), Status.FAILED),
    "for good": (partial(end_as_claimed, outcome=Failed(BOOM, for_good=True)), Status.FAILED),
    "crash": (
        partial(end_as_claimed, outcome=Failed(BOOM, AttemptOutcome.CRASHED)),
        Status.FAILED,
    ),
    "over HTTP": (settle_over_http, Status.DONE),
    "expire": (expire, Status.FAILED),
    "stop": (lambda engine, task_id: order(engine, Verb.STOP, task_id), Status.CANCELLED),
    "stop in a batch": (stop_in_batch, Status.CANCELLED),
    "stop while it runs": (stop_while_it_runs, Status.CANCELLED),
    "stop and release": (stop_and_release, Status.CANCELLED),
    "ignore the stop": (ignore_the_stop, Status.CANCELLED),
}


@pytest.mark.parametrize("name", ENDS)
def test_whatever_ends_a_task_makes_one_callback(engine: Engine, name: str) -> None:
    ends, status = ENDS[name]
    task_id = make_one(engine, retry_limit=0, tags=["a"], account_id="acc", description="数")

    ends(engine, task_id)

    (callback,) = callbacks(engine, task_id)
    assert (callback["queue"], callback["task_type"]) == (CALLBACK_QUEUE, CALLBACK_TYPE)
    assert callback["retry_limit"] == len(CALLBACK_RETRY_SECONDS)
    assert (callback["callback_url"], callback["account_id"]) == (None, None)
    payload = callback["payload"]
    assert payload["url"] == URL
    assert payload["event"]["type"] == f"task.{status}"
    data = payload["event"]["data"]
    assert (data["id"], data["status"], data["description"]) == (task_id, status, "数")
    assert (data["tags"], data["allowed_actions"][-1]) == (["a"], "delete")
    assert payload["event"]["timestamp"] == data["finished_at"]
    assert data["finished_at"].endswith("Z")


@pytest.mark.parametrize("name", ENDS)
def test_without_a_callback_url_there_is_none(engine: Engine, name: str) -> None:
    ends, _ = ENDS[name]
    task_id = make_one(engine, retry_limit=0, callback_url=None)

    ends(engine, task_id)

    assert rows(engine, "SELECT id FROM tasks WHERE callback_of IS NOT NULL") == []


@pytest.mark.parametrize(
    "outcome",
    [Failed(BOOM), Snoozed(0), Released(), Held("look"), Failed(BOOM, retry_seconds=5.0)],
)
def test_what_does_not_end_a_task_makes_none(engine: Engine, outcome: Any) -> None:
    task_id = make_one(engine)

    end_as_claimed(engine, task_id, outcome)

    assert callbacks(engine, task_id) == []


def test_pausing_and_deleting_make_none(engine: Engine) -> None:
    paused, deleted, running = (make_one(engine) for _ in range(3))
    order(engine, Verb.PAUSE, paused)
    remove(engine, deleted)
    task = claimed(engine, running)
    remove(engine, running)

    succeed(engine, task)

    assert rows(engine, "SELECT id FROM tasks WHERE callback_of IS NOT NULL") == []


def test_a_stop_that_holds_already_makes_no_other(engine: Engine) -> None:
    task_id = make_one(engine)
    order(engine, Verb.STOP, task_id)
    order(engine, Verb.STOP, task_id)

    assert len(callbacks(engine, task_id)) == 1


def test_a_run_that_replaces_another_announces_that_end(engine: Engine) -> None:
    schedule_id = make_schedule(engine, interval=60, overlap="replace", callback_url=URL)
    let_fall_due(engine, schedule_id)
    (first,) = fire(engine)
    let_fall_due(engine, schedule_id)
    fire(engine)

    assert first.task_id is not None
    (callback,) = callbacks(engine, first.task_id)
    assert callback["payload"]["event"]["type"] == "task.cancelled"


def test_each_end_of_a_task_is_told_with_an_id_of_its_own(engine: Engine) -> None:
    task_id = make_one(engine, retry_limit=0)
    end_as_claimed(engine, task_id, Failed(BOOM))
    order(engine, Verb.START, task_id)
    end_as_claimed(engine, task_id, Succeeded())

    first, second = callbacks(engine, task_id)
    assert first["payload"]["event"]["type"] == "task.failed"
    assert second["payload"]["event"]["type"] == "task.done"
    assert first["payload"]["id"] != second["payload"]["id"]


def test_an_end_that_is_settled_twice_is_told_once(engine: Engine) -> None:
    task_id = make_one(engine)
    task = claimed(engine, task_id)
    settlement = ended(task, Succeeded())._replace(has_callback=True)

    assert end(engine, settlement) == []
    assert end(engine, settlement) == []

    assert len(callbacks(engine, task_id)) == 1


def test_an_end_that_is_refused_is_not_told(engine: Engine) -> None:
    task_id = make_one(engine)
    stale = claimed(engine, task_id)
    age_leases(engine, task_id)
    sweep(engine)

    assert succeed(engine, stale) != []
    assert callbacks(engine, task_id) == []


def test_a_transaction_that_is_rolled_back_tells_nothing(engine: Engine) -> None:
    task_id = make_one(engine)
    with engine.connect() as connection:
        verbs.apply(connection, Order(Verb.STOP, "x"), [task_id])
        connection.rollback()

    assert callbacks(engine, task_id) == []


def test_a_callback_url_that_came_during_the_run_is_not_missed(engine: Engine) -> None:
    (task_id,) = make(engine)
    task = claimed(engine, task_id)
    with transaction(engine) as connection:
        tasks.edit(connection, task_id, {"callback_url": URL})

    assert succeed(engine, task) == []

    assert [each["payload"]["url"] for each in callbacks(engine, task_id)] == [URL]
    assert [each["outcome"] for each in attempts(engine, task_id)] == ["succeeded"]


def test_one_that_was_taken_away_during_the_run_is_not_called(engine: Engine) -> None:
    task_id = make_one(engine)
    task = claimed(engine, task_id)
    with transaction(engine) as connection:
        tasks.edit(connection, task_id, {"callback_url": None})

    assert end(engine, ended(task, Succeeded())._replace(has_callback=True)) == []
    assert callbacks(engine, task_id) == []


def test_a_callback_has_no_callback(engine: Engine) -> None:
    task_id = make_one(engine)
    order(engine, Verb.STOP, task_id)
    (callback,) = callbacks(engine, task_id)
    change(engine, callback["id"], f"callback_url = '{URL}'")

    order(engine, Verb.STOP, callback["id"])

    assert callbacks(engine, callback["id"]) == []


def test_a_callback_cannot_be_changed(engine: Engine) -> None:
    task_id = make_one(engine)
    order(engine, Verb.STOP, task_id)
    (callback,) = callbacks(engine, task_id)

    with transaction(engine) as connection:
        assert not tasks.edit(connection, callback["id"], {"payload": {"forged": 1}})


def test_many_ends_make_many_callbacks_by_few_statements(engine: Engine) -> None:
    task_ids = make(engine, 200, callback_url=URL) + make(engine, 100)
    held = claim(engine, 300, queues=["default"])
    settlements = [
        ended(task, Succeeded())._replace(has_callback=task.has_callback) for task in held
    ]

    with counted(engine) as statements:
        end(engine, *settlements)

    announced = rows(engine, "SELECT callback_of AS id FROM tasks WHERE callback_of IS NOT NULL")
    assert sorted(each["id"] for each in announced) == task_ids[:200]
    # Two groups, the attempts; the tasks, their queue (made once), the callbacks, their payloads.
    assert len(statements) <= 9, statements


def test_without_callbacks_a_settle_is_two_statements(engine: Engine) -> None:
    make(engine, 100)
    held = claim(engine, 100)

    with counted(engine) as statements:
        succeed(engine, *held)

    assert [text.split()[0] for text in statements] == ["UPDATE", "INSERT"]


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """Collect the statements that are sent meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def listed(engine: Engine, **wanted: Any) -> list[int]:
    with engine.connect() as connection:
        page = listing.page(connection, TaskFilter(**wanted), limit=50)
        total = listing.count(connection, TaskFilter(**wanted))
    assert total == len(page.tasks)
    return [task["id"] for task in page.tasks]


def test_lists_leave_callbacks_out_unless_they_are_asked_for(engine: Engine) -> None:
    one, two = make_one(engine), make_one(engine, queue="other")
    order(engine, Verb.STOP, one, two)
    of_one, of_two = (callbacks(engine, each)[0]["id"] for each in (one, two))

    assert listed(engine) == [two, one]
    assert listed(engine, status=["to_do"]) == []
    assert listed(engine, task_type=[CALLBACK_TYPE]) == []
    assert listed(engine, q=str(of_one)) == []
    assert listed(engine, q="task.") == []
    assert listed(engine, queue=[CALLBACK_QUEUE]) == [of_two, of_one]
    assert listed(engine, queue=[CALLBACK_QUEUE, "other"]) == [of_two, of_one, two]
    assert listed(engine, queue=[CALLBACK_QUEUE], q=str(of_one)) == [of_one]
    assert listed(engine, callback_of=[one]) == [of_one]
    assert listed(engine, callback_of=[one, two], status=["to_do"]) == [of_two, of_one]
    assert listed(engine, callback_of=[two], status=["done"]) == []


def test_batches_by_a_filter_leave_callbacks_alone_unless_they_are_asked_for(
    engine: Engine,
) -> None:
    task_id = make_one(engine)
    order(engine, Verb.STOP, task_id)
    (callback,) = callbacks(engine, task_id)

    for wanted, succeeded in (
        (TaskFilter(status=["to_do"]), 0),
        (TaskFilter(queue=[CALLBACK_QUEUE]), 1),
    ):
        with transaction(engine) as connection:
            report = batches.apply_matching(connection, Order(Verb.PAUSE, "x"), wanted)
        assert isinstance(report, batches.Report)
        assert report.succeeded == succeeded
    assert row(engine, callback["id"])["status"] == "paused"
