"""Why a task is not running: what is said of it, and that the view says the same."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import dispatcher, verbs, why, workers
from schema.attempts import Held
from schema.runtime.transactions import transaction
from schema.states import Verb
from schema.verbs import Order
from schema.waiting import WaitsFor
from schema.why import Explanation, Standing
from tests.rows import WORKER, change, claim, ended, fail, limit, make, rows, succeed
from tests.rows import end as settle
from tests.schema.test_views import enter_worker


@pytest.fixture(autouse=True)
def runs_afterwards(engine: Engine) -> Iterator[None]:
    """Lets the dispatcher run again afterwards."""
    yield
    stop_dispatcher(engine, is_running=True)


def stop_dispatcher(engine: Engine, *, is_running: bool = False) -> None:
    with transaction(engine) as connection:
        dispatcher.set_running(connection, "moving", is_running=is_running)


def explain(engine: Engine, task_id: int) -> Explanation:
    with engine.connect() as connection:
        found = why.explain(connection, task_id)
    assert found is not None
    return found


def codes(engine: Engine, task_id: int) -> list[str]:
    return [str(reason.code) for reason in explain(engine, task_id).reasons]


def do(engine: Engine, verb: Verb, task_id: int) -> None:
    with transaction(engine) as connection:
        verbs.apply(connection, Order(verb, "ann", "not now"), [task_id])


LATER = "available_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR"
Situation = Callable[[Engine, int], None]


@dataclass(frozen=True)
class Case:
    """What is done to a task of queue q, and what is then said of it."""

    done: tuple[Situation, ...]
    expected: tuple[str, ...]


def full(engine: Engine, _task_id: int) -> None:
    (other,) = make(engine, queue="q", priority="高")
    claim(engine, queues=["q"])
    assert rows(engine, "SELECT id FROM v_running") == [{"id": other}]
    limit(engine, "q", max_concurrency=1)


def worker(*words: str, types: tuple[str, ...] = ("default",)) -> Situation:
    return lambda engine, _: enter_worker(engine, "-".join(words)[:32], words, types)


def paused(engine: Engine, _task_id: int) -> None:
    limit(engine, "q", is_paused=1, paused_at="UTC_TIMESTAMP(6)", paused_reason="'broken'")


def paused_until_past(engine: Engine, _task_id: int) -> None:
    limit(engine, "q", is_paused=1, paused_at="NOW(6)", resume_at="'2026-01-01'")


def spent(engine: Engine, _task_id: int) -> None:
    limit(engine, "q", rate_limit=1, rate_tokens=0, rate_refilled_at="UTC_TIMESTAMP(6)")
    limit(engine, "q", rate_period_seconds=3600)


def later(engine: Engine, task_id: int) -> None:
    change(engine, task_id, LATER)


def stopped(engine: Engine, _task_id: int) -> None:
    stop_dispatcher(engine)


ALL = worker("*")
CASES = {
    "nothing": Case((ALL,), ("turn",)),
    "no worker": Case((), ("worker",)),
    "no worker for the queue": Case((worker("other"),), ("worker_queue",)),
    "left out": Case((worker("*", "-q"),), ("worker_queue",)),
    "only others left out": Case((worker("-other"),), ("turn",)),
    "unknown type": Case((worker("*", types=("mail",)),), ("worker_type",)),
    "one of two workers": Case((worker("other"), worker("q")), ("turn",)),
    "one for the queue, another for the type": Case(
        (worker("other"), worker("q", types=("mail",))), ("worker_type",)
    ),
    "not due": Case((ALL, later), ("available_at",)),
    "paused": Case((ALL, paused), ("paused_queue",)),
    "paused until a moment ago": Case((ALL, paused_until_past), ("turn",)),
    "full": Case((ALL, full), ("max_concurrency",)),
    "spent": Case((ALL, spent), ("rate_limit",)),
    "stopped": Case((ALL, stopped), ("dispatcher",)),
    "all at once": Case(
        (full, spent, paused, later, stopped),
        ("dispatcher", "worker", "available_at", "paused_queue", "max_concurrency", "rate_limit"),
    ),
    "paused and not due": Case((ALL, paused, later), ("available_at", "paused_queue")),
}


@pytest.mark.parametrize("name", CASES)
def test_every_reason_is_given_and_the_view_has_the_first(engine: Engine, name: str) -> None:
    (task_id,) = make(engine, queue="q")
    for do_it in CASES[name].done:
        do_it(engine, task_id)

    found = codes(engine, task_id)

    assert tuple(found) == CASES[name].expected
    view = f"SELECT reason FROM v_waiting WHERE id = {task_id}"
    assert rows(engine, view) == [{"reason": found[0]}]


def test_every_way_to_wait_is_among_the_situations() -> None:
    assert {code for case in CASES.values() for code in case.expected} == {*map(str, WaitsFor)}


def values(engine: Engine, task_id: int) -> dict[str, Any]:
    (reason,) = explain(engine, task_id).reasons
    return dict(reason.values)


def test_a_full_queue_names_the_tasks_that_fill_it(engine: Engine) -> None:
    enter_worker(engine)
    first = make(engine, 2)
    claim(engine, 2)
    (task_id,) = make(engine)
    limit(engine, "default", max_concurrency=2)

    assert values(engine, task_id) == {"queue": "default", "limit": 2, "task_ids": first}


def test_a_turn_counts_those_that_go_before(engine: Engine) -> None:
    enter_worker(engine)
    make(engine, 2, priority="高")
    make(engine, 3, priority="低")
    make(engine, queue="other")
    change(engine, make(engine, priority="高")[0], LATER)
    make(engine, 2)
    (task_id,) = make(engine)

    assert values(engine, task_id) == {"queue": "default", "ahead": 4}
    assert rows(engine, f"SELECT position FROM v_waiting WHERE id = {task_id}") == [{"position": 5}]


def test_what_runs_is_held_until_its_lease_is_over(engine: Engine) -> None:
    make(engine, timeout_seconds=60)
    (task,) = claim(engine)

    (reason,) = explain(engine, task.id).reasons

    assert (reason.code, reason.values["worker_id"]) == (Standing.RUNNING, WORKER)
    assert (reason.values["until"] - reason.values["since"]).total_seconds() == 60


def test_what_was_told_to_stop_is_stopping(engine: Engine) -> None:
    make(engine)
    (task,) = claim(engine)
    do(engine, Verb.STOP, task.id)

    assert codes(engine, task.id) == ["stopping"]


class TestPaused:
    def test_by_a_person(self, engine: Engine) -> None:
        (task_id,) = make(engine)
        do(engine, Verb.PAUSE, task_id)

        assert values(engine, task_id) | {"since": None} == {
            "actor": "ann",
            "since": None,
            "reason": "not now",
        }

    def test_from_its_creation(self, engine: Engine) -> None:
        (task_id,) = make(engine, hold=True)

        found = values(engine, task_id)

        assert (found["actor"], found["reason"]) == (None, None)

    def test_by_its_handler_after_a_person_did(self, engine: Engine) -> None:
        (task_id,) = make(engine)
        do(engine, Verb.PAUSE, task_id)
        do(engine, Verb.RESUME, task_id)
        (task,) = claim(engine)
        settle(engine, ended(task, Held("no money")))

        found = values(engine, task_id)

        assert (found["actor"], found["reason"]) == (None, "no money")


def test_what_has_ended_says_how(engine: Engine) -> None:
    done, failed = make(engine, 2, retry_limit=0)
    succeed(engine, *claim(engine))
    fail(engine, *claim(engine))

    assert values(engine, done)["status"] == "done"
    assert values(engine, failed)["reason"] == "boom"


def test_there_is_no_reason_for_a_task_that_is_not_there(engine: Engine) -> None:
    with engine.connect() as connection:
        assert why.explain(connection, 1) is None


def test_workers_that_drain_do_not_count(engine: Engine) -> None:
    enter_worker(engine)
    with transaction(engine) as connection:
        workers.drain(connection, WORKER)
    (task_id,) = make(engine)

    assert codes(engine, task_id) == ["worker"]
