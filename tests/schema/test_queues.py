"""Queues: created, changed, paused, deleted, and what they give to their tasks."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import counts, queue_listing, queues
from schema.queue_listing import QueueRow
from schema.queues import NotEmptyError
from schema.runtime.transactions import transaction
from tests.rows import change, claim, fail, limit, make, row, rows, succeed


def create(engine: Engine, name: str, **fields: Any) -> bool:
    with transaction(engine) as connection:
        return queues.create(connection, name, fields)


def edit(engine: Engine, name: str, **changes: Any) -> bool:
    with transaction(engine) as connection:
        return queues.edit(connection, name, changes)


def remove(engine: Engine, name: str) -> bool:
    with transaction(engine) as connection:
        return queues.remove(connection, name)


def pause(engine: Engine, reason: str | None = None, seconds: float | None = None) -> QueueRow:
    with transaction(engine) as connection:
        queues.pause(connection, "q", reason, seconds=seconds)
    return find(engine)


def find(engine: Engine, name: str = "q") -> QueueRow:
    with engine.connect() as connection:
        queue = queue_listing.find(connection, name)
    assert queue is not None
    return queue


def count(engine: Engine) -> Sequence[str]:
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)
        return queues.adopt(connection)


def limits_of(task: dict[str, Any]) -> tuple[int, int]:
    return task["timeout_seconds"], task["retry_limit"]


def test_a_queue_comes_to_be_once(engine: Engine) -> None:
    assert create(engine, "q", max_concurrency=5, description="for mail")
    assert not create(engine, "q", max_concurrency=6)

    queue = find(engine)
    assert (queue["max_concurrency"], queue["description"]) == (5, "for mail")
    assert (queue["is_paused"], queue["rate_period_seconds"]) == (False, 1)


def test_its_defaults_go_to_tasks_that_do_not_say(engine: Engine) -> None:
    create(engine, "q", timeout_seconds=7, retry_limit=0)

    default, own = (*make(engine, queue="q"), *make(engine, queue="q", timeout_seconds=9))
    edit(engine, "q", timeout_seconds=None, retry_limit=5)
    (later,) = make(engine, queue="q")

    assert limits_of(row(engine, default)) == (7, 0)
    assert limits_of(row(engine, own)) == (9, 0)
    assert limits_of(row(engine, later)) == (300, 5)


def test_only_a_queue_that_is_there_is_changed(engine: Engine) -> None:
    assert not edit(engine, "q", max_concurrency=1)
    create(engine, "q")
    assert edit(engine, "q", max_concurrency=1)
    assert edit(engine, "q", max_concurrency=1), "the same once more"


class TestRemoving:
    def test_an_empty_queue_goes(self, engine: Engine) -> None:
        create(engine, "q")

        assert remove(engine, "q")
        assert not remove(engine, "q")

    @pytest.mark.parametrize("end", ["wait", "run", "succeed", "deleted while it runs"])
    def test_one_that_holds_a_task_in_whatever_state_stays(self, engine: Engine, end: str) -> None:
        (task_id,) = make(engine, queue="q")
        if end != "wait":
            (claimed,) = claim(engine)
        if end == "succeed":
            succeed(engine, claimed)
        if end == "deleted while it runs":
            change(engine, task_id, "delete_requested_at = UTC_TIMESTAMP(6)")

        with pytest.raises(NotEmptyError):
            remove(engine, "q")
        assert find(engine)

    def test_a_task_that_came_meanwhile_brings_it_back(self, engine: Engine) -> None:
        create(engine, "q")
        with engine.connect() as creating:
            queues.ensure(creating, ["q"])
            remove(engine, "q")
            creating.exec_driver_sql("INSERT INTO tasks (title, queue) VALUES ('late', 'q')")
            creating.commit()
        assert claim(engine) == []

        assert count(engine) == ["q"]

        assert [task.title for task in claim(engine)] == ["late"]
        assert count(engine) == []


class TestPausing:
    def test_a_pause_says_why_and_since_when(self, engine: Engine) -> None:
        create(engine, "q")
        paused = pause(engine, "the mail server is down")

        assert paused["is_paused"] is True
        assert paused["paused_reason"] == "the mail server is down"
        assert paused["paused_at"] is not None
        assert paused["resume_at"] is None

    def test_resuming_forgets_it(self, engine: Engine) -> None:
        create(engine, "q")
        before = find(engine)
        pause(engine, "why", 60)

        with transaction(engine) as connection:
            queues.resume(connection, "q")

        changed = ("now", "updated_at")
        after = find(engine)
        assert {name: after[name] for name in after if name not in changed} == {
            name: before[name] for name in before if name not in changed
        }

    @pytest.mark.parametrize(
        ("first", "second", "is_changed"),
        [(None, None, False), (None, 5, False), (60, 5, False), (5, 60, True), (60, None, True)],
    )
    def test_a_pause_never_shortens_another(
        self, engine: Engine, first: float | None, second: float | None, *, is_changed: bool
    ) -> None:
        create(engine, "q")
        one = pause(engine, "one", first)
        two = pause(engine, "two", second)

        assert two["paused_at"] == one["paused_at"]
        assert two["paused_reason"] == ("two" if is_changed else "one")
        assert (two["resume_at"] != one["resume_at"]) is is_changed

    def test_one_that_is_over_ends_by_itself(self, engine: Engine) -> None:
        make(engine, queue="q")
        pause(engine, None, 60)
        assert claim(engine) == []
        limit(engine, "q", resume_at="UTC_TIMESTAMP(6)")

        assert len(claim(engine)) == 1
        with transaction(engine) as connection:
            assert queues.resume_due(connection) == 1
        assert find(engine)["is_paused"] is False


class TestReading:
    def test_what_waits_is_counted_and_what_runs_is_looked_up(self, engine: Engine) -> None:
        make(engine, 5, queue="q")
        fail(engine, *claim(engine))
        before = find(engine)
        count(engine)
        claim(engine)

        after = find(engine)

        assert (before["depth"], before["counted_at"], before["in_progress"]) == (0, None, 0)
        assert (after["depth"], after["in_progress"]) == (5, 1)
        assert after["counted_at"] is not None

    def test_the_oldest_is_the_one_that_has_been_due_longest(self, engine: Engine) -> None:
        low, high, later = (
            *make(engine, queue="q", priority="低"),
            *make(engine, queue="q", priority="高"),
            *make(engine, queue="q", priority="高"),
        )
        change(engine, low, "available_at = UTC_TIMESTAMP(6) - INTERVAL 60 SECOND")
        change(engine, high, "available_at = UTC_TIMESTAMP(6) - INTERVAL 30 SECOND")
        change(engine, later, "available_at = UTC_TIMESTAMP(6) + INTERVAL 30 SECOND")

        assert 60 <= find(engine)["oldest_age_seconds"] < 65

    def test_without_a_due_task_there_is_no_oldest(self, engine: Engine) -> None:
        (task_id,) = make(engine, queue="q")
        change(engine, task_id, "available_at = UTC_TIMESTAMP(6) + INTERVAL 30 SECOND")

        assert find(engine)["oldest_age_seconds"] is None

    def test_pages_follow_the_names(self, engine: Engine) -> None:
        for name in ("b", "a", "c"):
            create(engine, name)

        with engine.connect() as connection:
            first = queue_listing.page(connection, limit=2)
            rest = queue_listing.page(connection, limit=2, after=first[-1]["name"])
            total = queue_listing.count(connection)

        assert [queue["name"] for queue in first + rest] == ["a", "b", "c"]
        assert total == 3


def test_two_that_create_a_queue_at_once_make_one(engine: Engine) -> None:
    made: list[bool] = []
    threads = [threading.Thread(target=lambda: made.append(create(engine, "q"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(made) == [False, False, False, True]
    assert len(rows(engine, "SELECT name FROM queues")) == 1
