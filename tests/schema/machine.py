"""Steps that are done to the database and to its model alike, and compared."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import Connection, Engine

from schema import holding, leases, tasks, verbs, workers
from schema.attempts import (
    Claimed,
    Failed,
    Failure,
    Held,
    Outcome,
    Released,
    Settlement,
    Snoozed,
    Succeeded,
)
from schema.new_task import NewTask
from schema.queues import ensure
from schema.runtime.transactions import transaction
from schema.states import PEOPLE, AttemptOutcome, Priority, Verb
from schema.verbs import Order
from schema.workers import WorkerDescription
from tests.conftest import empty
from tests.rows import AT_ONCE, claim, end, ended
from tests.schema.model import MOMENT, Lease, Model, ModelTask, Place

T = TypeVar("T")
Known = tuple[Claimed, str]
"""A lease as a worker knows it, and who that is."""

QUEUES = ["a", "b"]
WORKERS = ["one", "two"]
PRIORITIES = list(Priority)
LEASE_SECONDS = 150
LATER_SECONDS = 250
GRACE_SECONDS = 50
PASSING = (100, 300)
"""Whole hundreds, so that what lasts 50 or 150 seconds is over or not, whatever a step takes."""

FAILURE = Failure("ValueError", "boom")
ENDS: dict[str, Outcome] = {
    "succeeded": Succeeded("1"),
    "failed": Failed(FAILURE),
    "for good": Failed(FAILURE, for_good=True),
    "crashed": Failed(FAILURE, AttemptOutcome.CRASHED),
    "snoozed": Snoozed(LATER_SECONDS),
    "released": Released(),
    "delayed": Released(LATER_SECONDS, FAILURE),
    "held": Held("why"),
}

AGE_TASKS = """UPDATE tasks SET available_at = available_at - INTERVAL {0} SECOND,
    created_at = created_at - INTERVAL {0} SECOND,
    lease_expires_at = lease_expires_at - INTERVAL {0} SECOND,
    stop_requested_at = stop_requested_at - INTERVAL {0} SECOND"""

SEEN = """SELECT id, status, fence, version, worker_id, current_retry_count, crash_count,
    snooze_count, lost_count, stop_requested_at IS NOT NULL, delete_requested_at IS NOT NULL
FROM tasks ORDER BY id"""

ATTEMPTS = "SELECT task_id, fence, attempt, outcome FROM task_attempts"
a_queue = st.sampled_from(QUEUES)
an_end = st.sampled_from([*ENDS])
some = st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True)
a_worker = st.sampled_from(WORKERS)


class Machine(RuleBasedStateMachine):
    """Does each step to the database and to the model, and compares."""

    engine: ClassVar[Engine]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.made: list[int] = []
        self.held: list[Known] = []
        self.deaths = 0
        self.ids = {name: name for name in WORKERS}
        empty(self.engine)

    @initialize()
    def begin(self) -> None:
        self._do(lambda connection: ensure(connection, QUEUES))
        for name in WORKERS:
            self._register(name)

    @rule(
        count=st.integers(1, 3),
        queue=a_queue,
        rank=st.integers(0, 2),
        retry_limit=st.integers(0, 4),
        hold=st.booleans(),
    )
    def create(self, count: int, queue: str, rank: int, retry_limit: int, hold: bool) -> None:  # noqa: FBT001
        new = [_new(queue, rank, retry_limit, hold=hold)] * count
        for task_id in self._do(lambda connection: tasks.create(connection, new)):
            self._enter(task_id, new[0])

    @rule(key=st.sampled_from("xy"), queue=a_queue)
    def create_with_a_key(self, key: str, queue: str) -> None:
        new = _new(queue, 1, 1, unique_key=key)
        (placed,) = self._do(lambda connection: tasks.place(connection, [new]))
        holder = self.model.holder(key)
        assert (placed.is_new, placed.task_id) == (holder is None, holder or placed.task_id)
        if placed.is_new:
            self._enter(placed.task_id, new)

    @rule(key=st.sampled_from("xy"))
    def pass_a_key_on(self, key: str) -> None:
        """Let another task have a key, and try to start the one that had it."""
        holder = self.model.holder(key)
        self._act(Verb.STOP, [] if holder is None else [holder])
        self.create_with_a_key(key, QUEUES[0])
        self._act(Verb.START, [] if holder is None else [holder])

    @rule(worker=a_worker, slots=st.integers(1, 4), both=st.booleans(), queue=a_queue)
    def claim(self, worker: str, slots: int, both: bool, queue: str) -> None:  # noqa: FBT001
        self._claim(worker, slots, QUEUES if both else [queue])

    @precondition(lambda self: self.held)
    @rule(places=some, word=an_end)
    def settle(self, places: list[int], word: str) -> None:
        """Also leases that were settled or lost before: workers may come late, and twice."""
        self._settle(_chosen(self.held, places), word)

    @rule(worker=a_worker, word=an_end, times=st.integers(1, 6))
    def run(self, worker: str, word: str, times: int) -> None:
        """Let a worker take tasks and end them, one after the other."""
        for _ in range(times):
            self._settle(self._claim(worker, 1, QUEUES), word)

    @precondition(lambda self: self.held)
    @rule(place=st.integers(0, 9))
    def save(self, place: int) -> None:
        self._save(_chosen(self.held, [place])[0])

    @rule(worker=a_worker, saves=st.booleans())
    def lose(self, worker: str, saves: bool) -> None:  # noqa: FBT001
        """Let a worker take a task and die of it."""
        for lease in self._claim(worker, 1, QUEUES):
            if saves:
                self._save(lease)
        self.die(worker)
        self.expire()

    @precondition(lambda self: self.made)
    @rule(places=some, verb=st.sampled_from([v for v in PEOPLE if v is not Verb.REORDER]))
    def act(self, places: list[int], verb: Verb) -> None:
        self._act(verb, _chosen(self.made, places))

    @precondition(lambda self: self.made)
    @rule(places=some, place=st.sampled_from([-30, 30, "first", "last"]))
    def reorder(self, places: list[int], place: Place) -> None:
        self._act(Verb.REORDER, _chosen(self.made, places), place)

    @precondition(lambda self: self.made)
    @rule(place=st.integers(0, 9))
    def delete(self, place: int) -> None:
        self._act(Verb.DELETE, _chosen(self.made, [place]))

    @rule(seconds=st.sampled_from(PASSING))
    def pass_time(self, seconds: int) -> None:
        self._do(lambda connection: connection.exec_driver_sql(AGE_TASKS.format(seconds)))
        self.model.pass_time(seconds)

    @rule()
    def expire(self) -> None:
        def sweep(connection: Connection) -> int:
            found = leases.overdue(connection, 100) + leases.orphaned(connection, 100)
            return leases.expire(connection, found, AT_ONCE)

        assert self._do(sweep) == self.model.expire()

    @rule()
    def cancel(self) -> None:
        def sweep(connection: Connection) -> int:
            found = leases.unheeded(connection, 100, grace_seconds=GRACE_SECONDS)
            return leases.cancel(connection, found, AT_ONCE, grace_seconds=GRACE_SECONDS)

        assert self._do(sweep) == self.model.cancel(GRACE_SECONDS)

    @rule(worker=a_worker)
    def die(self, worker: str) -> None:
        """Let a worker fall silent and be called dead; its process goes on under a new id."""
        dead = self.ids[worker]

        def bury(connection: Connection) -> list[str]:
            connection.exec_driver_sql(
                "UPDATE workers SET last_heartbeat_at = UTC_TIMESTAMP(6) - INTERVAL (id = %s) HOUR",
                (dead,),
            )
            return workers.bury(connection, dead_seconds=1_000)

        assert self._do(bury) == [dead]
        self.model.gone.add(dead)
        self.deaths += 1
        self.ids[worker] = f"{worker}-{self.deaths}"
        self._register(self.ids[worker])

    @invariant()
    def the_rows_are_the_models(self) -> None:
        with self.engine.connect() as connection:
            found = [tuple(row) for row in connection.exec_driver_sql(SEEN)]
            attempts = connection.exec_driver_sql(ATTEMPTS).all()
        assert found == self.model.seen()
        ends = {(task_id, fence): (number, word) for task_id, fence, number, word in attempts}
        assert ends == self.model.attempts

    def _claim(self, worker: str, slots: int, queues: list[str]) -> list[Known]:
        worker_id = self.ids[worker]
        taken = claim(self.engine, slots, worker_id=worker_id, queues=queues)
        given = [Lease(each.id, each.fence, each.attempt) for each in taken]
        assert given == self.model.claim(worker_id, queues, slots)
        known = [(each, worker_id) for each in taken]
        self.held += known
        return known

    def _settle(self, chosen: Iterable[Known], word: str) -> None:
        known = {_lease(claimed): (claimed, worker_id) for claimed, worker_id in chosen}
        items = [_ended(each, ENDS[word], worker) for each, worker in known.values()]
        self.model.now += MOMENT
        refused = {(item.task_id, item.fence) for item in end(self.engine, *items)}
        taken = [self.model.settle(lease, word, LATER_SECONDS) for lease in known]
        assert refused == {lease[:2] for lease, was in zip(known, taken, strict=True) if not was}

    def _save(self, lease: Known) -> None:
        hold = (lease[0].id, lease[0].fence)
        saved = self._do(lambda connection: holding.save(connection, hold, "1"))
        assert saved == self.model.save(_lease(lease[0]))

    def _act(self, verb: Verb, chosen: list[int], place: Any = 0) -> None:
        order = Order(verb, "somebody", place=place)
        results = self._do(lambda connection: verbs.apply(connection, order, chosen))
        expected = self.model.verb(str(verb), chosen, place)
        assert [str(result.answer) for result in results] == expected

    def _do(self, work: Callable[[Connection], T]) -> T:
        self.model.now += MOMENT
        with transaction(self.engine) as connection:
            return work(connection)

    def _register(self, worker_id: str) -> None:
        description = WorkerDescription("host", 1, "0", ["*"], ["default"], 10)
        self._do(lambda connection: workers.register(connection, worker_id, description))

    def _enter(self, task_id: int, new: NewTask) -> None:
        self.made.append(task_id)
        self.model.add(
            ModelTask(
                id=task_id,
                queue=new.queue,
                rank=PRIORITIES.index(new.priority),
                retry_limit=new.retry_limit or 0,
                unique_key=new.unique_key,
                status="paused" if new.hold else "to_do",
                created=0,
                due=0,
                lease_seconds=LEASE_SECONDS,
            )
        )


def _new(queue: str, rank: int, retry_limit: int, **more: Any) -> NewTask:
    return NewTask(
        title="a task",
        queue=queue,
        priority=PRIORITIES[rank],
        retry_limit=retry_limit,
        timeout_seconds=LEASE_SECONDS,
        **more,
    )


def _chosen(known: list[T], places: list[int]) -> list[T]:
    """Return some of what is known, counted from the last, which most is still to be done with."""
    return [known[-1 - place] for place in dict.fromkeys(place % len(known) for place in places)]


def _ended(claimed: Claimed, outcome: Outcome, worker_id: str) -> Settlement:
    """Return an end at a moment that no reaper writes: by it a settlement knows its own."""
    end = ended(claimed, outcome, worker_id=worker_id)
    return end._replace(ended_at=end.started_at + timedelta(days=1))


def _lease(claimed: Claimed) -> Lease:
    return Lease(claimed.id, claimed.fence, claimed.attempt)
