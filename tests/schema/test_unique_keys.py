"""Unique keys: at most one unfinished task has each, whatever happens at once."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, Engine

from schema import tasks, unique_keys, verbs
from schema.attempts import Snoozed, Succeeded
from schema.new_task import NewTask, OnConflict
from schema.runtime.transactions import run, transaction
from schema.states import Status, Verb
from schema.tasks import Placed
from schema.unique_keys import UniqueKeyTakenError
from schema.verbs import Answer, Order, Result
from tests.rows import (
    age_leases,
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
    wait_until_blocked,
)

T = TypeVar("T")

LIVE = {Status.TO_DO, Status.IN_PROGRESS, Status.PAUSED, Status.RETRYING}


def keyed(key: str | None, title: str = "a task", **fields: Any) -> NewTask:
    return NewTask(title=title, unique_key=key, **fields)


def place(engine: Engine, *new: NewTask) -> list[Placed]:
    with transaction(engine) as connection:
        return tasks.place(connection, new)


def order(engine: Engine, verb: Verb, *task_ids: int) -> list[Result]:
    with transaction(engine) as connection:
        return verbs.apply(connection, Order(verb, "somebody"), task_ids)


def cancelled(engine: Engine, count: int = 1, key: str = "k") -> list[int]:
    """Return tasks that had a key one after the other."""
    ids = []
    for _ in range(count):
        ids += make(engine, unique_key=key)
        order(engine, Verb.STOP, ids[-1])
    return ids


def at_once(count: int, act: Callable[[int], T]) -> list[T]:
    """Call `act` with each number, all at once, and return what came back."""
    barrier = threading.Barrier(count)
    results: dict[int, T] = {}

    def run_one(number: int) -> None:
        barrier.wait()
        results[number] = act(number)

    threads = [threading.Thread(target=run_one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(count)]


class TestCreating:
    def test_a_key_that_an_unfinished_task_has_is_refused(self, engine: Engine) -> None:
        (first,) = make(engine, unique_key="k")

        with pytest.raises(UniqueKeyTakenError, match=f"task {first} has the unique_key 'k'"):
            make(engine, unique_key="k")

        assert rows(engine, "SELECT id FROM tasks") == [{"id": first}]

    def test_or_its_task_is_returned(self, engine: Engine) -> None:
        (first,) = make(engine, unique_key="k", title="the first")

        again = make(engine, unique_key="k", title="another", on_conflict="return")

        assert again == [first]
        assert rows(engine, "SELECT title FROM tasks") == [{"title": "the first"}]

    @pytest.mark.parametrize("status", Status)
    def test_a_key_is_free_when_its_task_is_finished(self, engine: Engine, status: Status) -> None:
        (first,) = make(engine, unique_key="k", retry_limit=int(status is Status.RETRYING))
        match status:
            case Status.IN_PROGRESS:
                claim(engine)
            case Status.PAUSED | Status.CANCELLED:
                order(engine, Verb.PAUSE if status is Status.PAUSED else Verb.STOP, first)
            case Status.DONE:
                succeed(engine, *claim(engine))
            case Status.RETRYING | Status.FAILED:
                fail(engine, *claim(engine))
        assert row(engine, first)["status"] == status

        (placed,) = place(engine, keyed("k"))

        assert placed.is_new == (status not in LIVE)

    def test_a_key_is_free_when_its_task_is_deleted_though_it_runs(self, engine: Engine) -> None:
        (first,) = make(engine, unique_key="k")
        (claimed,) = claim(engine)
        remove(engine, first)

        (second,) = make(engine, unique_key="k")
        end(engine, ended(claimed, Snoozed(1)))

        assert rows(engine, "SELECT id FROM tasks") == [{"id": second}]

    def test_keys_that_differ_by_case_or_accent_are_different(self, engine: Engine) -> None:
        assert len({*make(engine, unique_key="k"), *make(engine, unique_key="K")}) == 2
        assert make(engine, unique_key="ḱ")

    def test_of_many_those_with_a_taken_key_are_told_apart(self, engine: Engine) -> None:
        (first,) = make(engine, unique_key="taken")
        keys = ["a", "taken", None, "a", None, "b"]

        placed = place(engine, *(keyed(key, f"task {at}") for at, key in enumerate(keys)))

        assert [each.is_new for each in placed] == [True, False, True, False, True, True]
        assert (placed[1].task_id, placed[3].task_id) == (first, placed[0].task_id)
        titles = {each["id"]: each["title"] for each in rows(engine, "SELECT id, title FROM tasks")}
        new = {at: each.task_id for at, each in enumerate(placed) if each.is_new}
        assert {at: titles[task_id] for at, task_id in new.items()} == {
            at: f"task {at}" for at in new
        }

    def test_payloads_and_tags_go_with_their_tasks(self, engine: Engine) -> None:
        make(engine, unique_key="taken")
        new = [keyed(key, payload={"of": key}, tags=[f"of {key}"]) for key in ("taken", "a", "b")]

        _, a, b = place(engine, *new)

        payloads = rows(engine, "SELECT task_id, payload FROM task_payloads ORDER BY task_id")
        assert [each["task_id"] for each in payloads] == [a.task_id, b.task_id]
        assert "a" in payloads[0]["payload"]
        assert len(rows(engine, "SELECT * FROM task_tags")) == 2

    def test_a_key_taken_between_the_look_and_the_insert_is_found(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(engine, unique_key="early")
        look = unique_keys.holders
        late: list[int] = []

        def look_too_early(connection: Connection, keys: set[str]) -> dict[str, int]:
            found = look(connection, keys)
            if not late:
                late.append(0)
                late[:] = make(engine, unique_key="late")
            return found

        monkeypatch.setattr(unique_keys, "holders", look_too_early)
        new = [keyed("a"), *[keyed(None)] * 700, keyed("late"), keyed("early")]

        placed = place(engine, *new)

        assert [each.is_new for each in placed] == [True] * 701 + [False] * 2
        assert placed[-2].task_id == late[0]
        assert rows(engine, "SELECT COUNT(*) AS n FROM tasks") == [{"n": 703}]

    def test_a_create_waits_for_another_that_has_not_committed(self, engine: Engine) -> None:
        with engine.connect() as first:
            tasks.create(first, [keyed("k")])
            second: list[Placed] = []
            thread = threading.Thread(target=lambda: second.extend(place(engine, keyed("k"))))
            thread.start()
            wait_until_blocked(engine)
            first.rollback()
            thread.join()

        assert second[0].is_new

    @pytest.mark.parametrize("on_conflict", ["reject", "return"])
    def test_of_fifteen_at_once_one_is_created(
        self, engine: Engine, on_conflict: OnConflict
    ) -> None:
        """Every third rolls back, so that those that waited for it meet deadlocks."""
        done: list[int] = []

        def create(number: int) -> int | None:
            def work(connection: Connection) -> int:
                (task_id,) = tasks.create(connection, [keyed("k", on_conflict=on_conflict)])
                if number % 3 == 0 and not done:
                    raise ZeroDivisionError
                return task_id

            try:
                made = run(engine, work)
            except ZeroDivisionError:
                return None
            except UniqueKeyTakenError as error:
                return -error.task_id
            done.append(made)
            return made

        answers = at_once(15, create)

        (only,) = rows(engine, "SELECT id FROM tasks")
        assert {abs(answer) for answer in answers if answer is not None} == {only["id"]}
        created = [answer for answer in answers if answer == only["id"]]
        assert len(created) == 1 or on_conflict == "return"


class TestStarting:
    def test_a_start_whose_key_lives_elsewhere_is_refused_with_that_task(
        self, engine: Engine
    ) -> None:
        (first,) = cancelled(engine)
        (second,) = make(engine, unique_key="k")
        before = row(engine, first)

        (result,) = order(engine, Verb.START, first)

        assert (result.answer, result.holder_id) == (Answer.KEY_TAKEN, second)
        assert (result.before, result.after) == (Status.CANCELLED, Status.CANCELLED)
        assert row(engine, first) == before

    def test_a_start_takes_the_key_again(self, engine: Engine) -> None:
        (first,) = cancelled(engine)

        assert order(engine, Verb.START, first)[0].answer is Answer.DONE

        assert make(engine, unique_key="k", on_conflict="return") == [first]

    def test_a_paused_task_that_has_its_key_can_be_started(self, engine: Engine) -> None:
        (task_id,) = make(engine, unique_key="k", hold=True)

        assert order(engine, Verb.START, task_id)[0].answer is Answer.DONE

    def test_of_several_with_one_key_the_first_is_started(self, engine: Engine) -> None:
        one, two, three = cancelled(engine, 3)
        (other,) = cancelled(engine, key="other")

        results = order(engine, Verb.START, two, other, one, three, two)

        assert [(each.answer, each.holder_id) for each in results] == [
            (Answer.DONE, None),
            (Answer.DONE, None),
            (Answer.KEY_TAKEN, two),
            (Answer.KEY_TAKEN, two),
            (Answer.DONE, None),
        ]
        assert len(rows(engine, "SELECT id FROM tasks WHERE status = 'to_do'")) == 2

    def test_a_key_taken_between_the_look_and_the_update_is_found(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (first,) = cancelled(engine)
        (other,) = cancelled(engine, key="other")
        look = unique_keys.holders
        late: list[int] = []

        def look_too_early(connection: Connection, keys: set[str]) -> dict[str, int]:
            found = look(connection, keys)
            if not late:
                late.append(0)
                late[:] = make(engine, unique_key="k")
            return found

        monkeypatch.setattr(unique_keys, "holders", look_too_early)

        results = order(engine, Verb.START, first, other)

        assert [each.answer for each in results] == [Answer.KEY_TAKEN, Answer.DONE]
        assert results[0].holder_id == late[0]

    def test_of_a_start_and_creates_at_once_one_has_the_key(self, engine: Engine) -> None:
        for _ in range(5):
            (first,) = cancelled(engine, key="race")

            def act(number: int, target: int = first) -> bool:
                def work(connection: Connection) -> bool:
                    if number == 0:
                        (result,) = verbs.apply(connection, Order(Verb.START, "somebody"), [target])
                        return result.answer is Answer.DONE
                    (placed,) = tasks.place(connection, [keyed("race")])
                    return placed.is_new

                return run(engine, work)

            assert sum(at_once(4, act)) == 1
            (live,) = rows(engine, "SELECT id FROM tasks WHERE status = 'to_do'")
            order(engine, Verb.STOP, live["id"])


class TestRunning:
    def test_what_waits_runs_or_is_paused_keeps_its_key_through_every_move(
        self, engine: Engine
    ) -> None:
        (task_id,) = make(engine, unique_key="k", retry_limit=5)

        def expire() -> None:
            claim(engine)
            age_leases(engine, task_id)
            sweep(engine)

        def stop_while_it_runs() -> None:
            claim(engine)
            order(engine, Verb.STOP, task_id)

        moves: Sequence[Callable[[], object]] = [
            lambda: order(engine, Verb.PAUSE, task_id),
            lambda: order(engine, Verb.RESUME, task_id),
            lambda: fail(engine, *claim(engine)),
            lambda: end(engine, ended(claim(engine)[0], Snoozed(0))),
            expire,
            stop_while_it_runs,
        ]
        for move in moves:
            move()
            assert make(engine, unique_key="k", on_conflict="return") == [task_id]

    def test_a_handler_may_ask_for_the_key_that_its_own_task_has(self, engine: Engine) -> None:
        (task_id,) = make(engine, unique_key="k")
        (claimed,) = claim(engine)

        assert end(engine, ended(claimed, Succeeded(None, (keyed("k", "the next"),)))) == []

        assert row(engine, task_id)["status"] == "done"
        assert rows(engine, "SELECT title FROM tasks WHERE status = 'to_do'") == [
            {"title": "the next"}
        ]

    def test_what_handlers_ask_for_at_once_is_created_once(self, engine: Engine) -> None:
        make(engine, 3)
        next_one = keyed("k", "the next", on_conflict="return")

        lost = end(
            engine, *(ended(task, Succeeded(None, (next_one,))) for task in claim(engine, 3))
        )

        assert lost == []
        assert len(rows(engine, "SELECT id FROM tasks WHERE unique_key = 'k'")) == 1
