"""Races: any two that would move the same task, at once, by two connections.

What happens must be what one after the other would have given, in one order or the other: the
one who came first wins, the other is answered as one who came later. A claim may also find
nothing, because it passes over what is locked. What one after the other gives is tried out.
"""

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations_with_replacement, permutations
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from schema import claims, gates, leases, verbs
from schema.attempts import Claimed, Failed, Failure, Held, Outcome, Released, Succeeded
from schema.runtime.transactions import run, transaction
from schema.settling import settle
from schema.states import ANY, MOVES, Status, Verb
from schema.verbs import Order
from tests.rows import AT_ONCE, attempts, claim, end, ended, make, row, rows

TIMES = int(os.environ.get("ROWLEASE_RACES", "4"))
"""How often each pair races in each state; 200 to be sure of a change."""

VERBS = [Verb.START, Verb.STOP, Verb.PAUSE, Verb.RESUME, Verb.REORDER, Verb.DELETE]
PAIRS = list(combinations_with_replacement([*VERBS, Verb.CLAIM, Verb.SUCCEED, Verb.EXPIRE], 2))
TRIPLES = [
    (Verb.STOP, Verb.SUCCEED, Verb.EXPIRE),
    (Verb.DELETE, Verb.SUCCEED, Verb.EXPIRE),
    (Verb.STOP, Verb.PAUSE, Verb.CLAIM),
    (Verb.START, Verb.RESUME, Verb.DELETE),
]

FAILURE = Failure("ValueError", "boom")
ENDS: Mapping[Status, Outcome] = {
    Status.TO_DO: Released(),
    Status.PAUSED: Held("why"),
    Status.DONE: Succeeded(),
    Status.RETRYING: Failed(FAILURE),
    Status.FAILED: Failed(FAILURE, for_good=True),
    Status.CANCELLED: Released(),
}
"""How an attempt ends that leaves its task in a state."""


@dataclass(frozen=True)
class Task:
    """A task alone in its queue, and the lease that it had or has."""

    id: int
    queue: str
    lease: Claimed


Answer = object
NOTHING_CLAIMED: Answer = []
Act = Callable[[Connection, Task], Answer]


def _verb(verb: Verb) -> Act:
    def act(connection: Connection, task: Task) -> Answer:
        (result,) = verbs.apply(connection, Order(verb, "somebody", place=60), [task.id])
        return result.answer

    return act


def _claim(connection: Connection, task: Task) -> Answer:
    entered = gates.enter(connection, lambda _names: [task.queue])
    taken = claims.claim(connection, "racer", gates=entered, slots=1, hints=claims.ScanHints())
    return [(each.id == task.id, each.fence, each.attempt) for each in taken]


def _succeed(connection: Connection, task: Task) -> Answer:
    return len(settle(connection, [ended(task.lease, Succeeded())], AT_ONCE))


def _expire(connection: Connection, task: Task) -> Answer:
    return leases.expire(connection, [task.id], AT_ONCE)


ACTS: dict[Verb, Act] = {
    **{verb: _verb(verb) for verb in VERBS},
    Verb.CLAIM: _claim,
    Verb.SUCCEED: _succeed,
    Verb.EXPIRE: _expire,
}


def do(engine: Engine, verb: Verb, task: Task) -> Answer:
    return run(engine, lambda connection: ACTS[verb](connection, task))


def in_status(engine: Engine, status: Status, count: int) -> list[Task]:
    """Return tasks that came to a status through a lease, which is over where they run."""
    first = len(rows(engine, "SELECT name FROM queues"))
    queues = [f"race-{first + number}" for number in range(count)]
    ids = {make(engine, queue=queue, retry_limit=5)[0]: queue for queue in queues}
    held = claim(engine, count, queues=queues)
    if status is Status.IN_PROGRESS:
        with transaction(engine) as connection:
            connection.exec_driver_sql(
                "UPDATE tasks SET lease_expires_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND"
                " WHERE status = 'in_progress'"
            )
    else:
        end(engine, *(ended(lease, ENDS[status]) for lease in held))
    if status is Status.CANCELLED:
        with transaction(engine) as connection:
            verbs.apply(connection, Order(Verb.STOP, "before"), list(ids))
    assert {row(engine, task_id)["status"] for task_id in ids} == {status}
    return [Task(lease.id, ids[lease.id], lease) for lease in held]


def seen(engine: Engine, task: Task, answers: Sequence[Answer]) -> tuple[Any, ...]:
    """Return what a race gave: the answers, and all that is to be read of the task."""
    found = row(engine, task.id)
    events = rows(
        engine,
        "SELECT verb, from_status, to_status FROM task_events"
        f" WHERE task_id = {task.id} AND actor = 'somebody' ORDER BY id",
    )
    return (
        [str(answer) for answer in answers],
        found
        and (
            found["status"],
            found["stop_requested_at"] is not None,
            found["delete_requested_at"] is not None,
            found["worker_id"],
            found["fence"],
            found["version"],
            found["current_retry_count"],
            found["last_error"],
        ),
        [tuple(each.values()) for each in events],
        [(each["fence"], each["outcome"]) for each in attempts(engine, task.id)],
    )


def orders_of(race: tuple[Verb, ...]) -> list[tuple[int, ...]]:
    """Return in which orders the verbs of a race may come; a claim may find nothing."""
    positions = range(len(race))
    orders = list(permutations(positions))
    if Verb.CLAIM in race:
        orders += permutations(set(positions) - {race.index(Verb.CLAIM)})
    return orders


def one_after_the_other(
    engine: Engine, race: tuple[Verb, ...], tasks: Sequence[Task]
) -> list[tuple[Any, ...]]:
    """Return what the verbs give in each order."""
    expected = []
    for order, task in zip(orders_of(race), tasks, strict=True):
        answers: list[Answer] = [NOTHING_CLAIMED] * len(race)
        for position in order:
            answers[position] = do(engine, race[position], task)
        expected.append(seen(engine, task, answers))
    return expected


def states_of(race: Collection[Verb]) -> Collection[Status]:
    """Return the states in which all may move a task; where there is none, in which one may."""
    sources = [MOVES[verb].sources for verb in race]
    return frozenset.intersection(*sources) or frozenset.union(*sources)


@pytest.mark.parametrize("race", [*PAIRS, *TRIPLES], ids="-".join)
def test_of_several_at_once_one_comes_first_and_the_others_are_told_so(
    engine: Engine, race: tuple[Verb, ...]
) -> None:
    barrier = threading.Barrier(len(race))

    def run(verb: Verb, task: Task) -> Answer:
        barrier.wait()
        return do(engine, verb, task)

    orders = len(orders_of(race))
    with ThreadPoolExecutor(len(race)) as threads:
        for status in sorted(states_of(race)):
            tasks = in_status(engine, status, orders + TIMES)
            expected = one_after_the_other(engine, race, tasks[:orders])
            for task in tasks[orders:]:
                answers = list(threads.map(run, race, [task] * len(race)))
                assert seen(engine, task, answers) in expected, status


def test_every_state_is_raced_in() -> None:
    assert {status for pair in PAIRS for status in states_of(pair)} == ANY
