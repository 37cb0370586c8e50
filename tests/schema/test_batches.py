"""Verbs on many tasks, page by page."""

import threading
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import batches, limits, listing
from schema.batches import Report
from schema.filters import TaskFilter
from schema.runtime.transactions import transaction
from schema.states import Status, Verb
from schema.verbs import Answer, Order
from tests.rows import change, make, remove, row, rows

PAGE = 3

WAITING = TaskFilter(status=["to_do"])


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_AT_ONCE", PAGE)


def begin(engine: Engine, verb: Verb, wanted: TaskFilter) -> int:
    with transaction(engine) as connection:
        batch = batches.apply_matching(connection, Order(verb, "somebody", "why"), wanted)
    assert isinstance(batch, int)
    return batch


def advance(engine: Engine, batch_id: int) -> str | None:
    with transaction(engine) as connection:
        return batches.advance(connection, batch_id)


def finish(engine: Engine, batch_id: int) -> None:
    while advance(engine, batch_id):
        pass


def found(engine: Engine, batch_id: int) -> dict[str, Any]:
    with transaction(engine) as connection:
        return batches.find(connection, batch_id) or {}


def in_status(engine: Engine, status: Status) -> list[int]:
    query = f"SELECT id FROM tasks WHERE status = '{status}' ORDER BY id"
    return [each["id"] for each in rows(engine, query)]


def test_a_page_is_what_a_request_may_change() -> None:
    assert limits.MOST_AT_ONCE == 1_000


def test_a_batch_goes_from_the_newest_to_the_oldest_a_page_at_a_time(engine: Engine) -> None:
    ids = make(engine, 7)
    batch_id = begin(engine, Verb.STOP, WAITING)

    seen = []
    for _ in range(4):
        status = advance(engine, batch_id)
        seen.append((status, in_status(engine, Status.CANCELLED)))

    assert seen == [("running", ids[4:]), ("running", ids[1:]), ("completed", ids), (None, ids)]
    batch = found(engine, batch_id)
    assert batch["report"] == Report(7, 7, [])
    assert batch["finished_at"] is not None
    events = rows(engine, "SELECT DISTINCT actor, verb, reason FROM task_events")
    assert events == [{"actor": "somebody", "verb": "stop", "reason": "why"}]


def test_what_was_created_after_the_request_is_left_alone(engine: Engine) -> None:
    make(engine, 4)
    batch_id = begin(engine, Verb.STOP, WAITING)
    late = make(engine, 2)

    finish(engine, batch_id)

    assert in_status(engine, Status.TO_DO) == late


def test_what_matches_is_decided_when_its_page_is_reached(engine: Engine) -> None:
    first, second, *_ = make(engine, 5)
    (outside,) = make(engine, hold=True)
    batch_id = begin(engine, Verb.DELETE, WAITING)
    change(engine, first, "status = 'paused'")
    change(engine, outside, "status = 'to_do'")
    remove(engine, second)

    finish(engine, batch_id)

    assert rows(engine, "SELECT id FROM tasks") == [{"id": first}]
    assert found(engine, batch_id)["report"] == Report(4, 4, [])


@pytest.mark.parametrize("filtered", [WAITING, TaskFilter(state=["PENDING"], tag=["x"])])
def test_a_task_that_leaves_the_filter_before_it_is_locked_is_left_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, filtered: TaskFilter
) -> None:
    one, two = make(engine, 2, tags=["x"])
    look = listing.matching

    def look_too_early(*arguments: Any, **how: Any) -> list[int]:
        ids = look(*arguments, **how)
        change(engine, two, "status = 'paused'")
        return ids

    monkeypatch.setattr(listing, "matching", look_too_early)
    with transaction(engine) as connection:
        report = batches.apply_matching(connection, Order(Verb.DELETE, "somebody"), filtered)

    assert report == Report(1, 1, [])
    assert (row(engine, one), row(engine, two)["status"]) == ({}, "paused")


def test_refusals_are_counted_and_the_first_remembered(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_FAILURES", 4)
    ids = make(engine, 12, queue="q")
    for task_id in ids[::2]:
        change(engine, task_id, "status = 'paused'")
    batch_id = begin(engine, Verb.START, TaskFilter(queue=["q"]))

    finish(engine, batch_id)

    report = found(engine, batch_id)["report"]
    assert (report.requested, report.succeeded) == (12, 6)
    assert [each.task_id for each in report.failed] == ids[11:3:-2]
    assert {(each.answer, each.state) for each in report.failed} == {(Answer.REFUSED, "PENDING")}


def test_keys_that_live_elsewhere_are_remembered_with_their_tasks(engine: Engine) -> None:
    (holder,) = make(engine, unique_key="k")
    for task_id in make(engine, 4, queue="q"):
        change(engine, task_id, "status = 'cancelled', finished_at = NOW(6), unique_key = 'k'")
    batch_id = begin(engine, Verb.START, TaskFilter(queue=["q"]))

    finish(engine, batch_id)

    failed = found(engine, batch_id)["report"].failed
    assert [(each.answer, each.holder_id) for each in failed] == [(Answer.KEY_TAKEN, holder)] * 4


def test_a_page_that_is_worked_on_is_nobody_elses(engine: Engine) -> None:
    make(engine, 7)
    batch_id = begin(engine, Verb.STOP, WAITING)

    with engine.connect() as first:
        assert batches.advance(first, batch_id) == "running"
        assert advance(engine, batch_id) is None
        first.commit()

    assert found(engine, batch_id)["report"] == Report(3, 3, [])


def test_a_page_that_is_not_committed_is_done_again(engine: Engine) -> None:
    make(engine, 7)
    batch_id = begin(engine, Verb.STOP, WAITING)

    with engine.connect() as dying:
        batches.advance(dying, batch_id)
        dying.rollback()
    finish(engine, batch_id)

    assert found(engine, batch_id)["report"] == Report(7, 7, [])
    assert len(rows(engine, "SELECT id FROM task_events")) == 7


def test_several_at_a_batch_at_once_do_each_task_once(engine: Engine) -> None:
    make(engine, 40)
    batch_id = begin(engine, Verb.STOP, WAITING)

    def work() -> None:
        while found(engine, batch_id)["status"] == "running":
            advance(engine, batch_id)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found(engine, batch_id)["report"] == Report(40, 40, [])
    assert len(rows(engine, "SELECT id FROM task_events")) == 40


def test_every_filter_survives_its_way_through_the_row(engine: Engine) -> None:
    make(engine, 4, queue="q", tags=["x", "y"], account_id="客", task_type="t")
    wanted = TaskFilter(
        status=["to_do"],
        state=["PENDING"],
        priority=["中"],
        queue=["q"],
        task_type=["t"],
        account_id=["客"],
        tag=["x", "y"],
        tag_match="all",
    )
    batch_id = begin(engine, Verb.PAUSE, wanted)

    finish(engine, batch_id)

    assert found(engine, batch_id)["report"] == Report(4, 4, [])
