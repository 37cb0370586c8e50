"""Enqueue: tasks created from SQL, one by one and in bulk, beside bare INSERTs of the same rows."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine

from schema import tasks
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_thread_engine
from schema.runtime.transactions import commit
from tools.bench.figures import Figure
from tools.bench.filling import COPIED, PAYLOAD, fill, waiting_task
from tools.bench.stand import Stand

SLICES = 3
"""So often do ours and the bare loop take turns, so that what else happens falls on both."""

Step = Callable[[], int]
"""Creates tasks and commits; returns how many."""

_PAYLOADS = "INSERT INTO task_payloads (task_id, payload) VALUES "


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Tasks per second on one connection and on several; how many commits the disk takes."""

    seconds: float = 6.0
    connections: int = 8
    batch: int = 1_000

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        stand.empty()
        sample = fill(stand.engine, waiting_task(), 1)
        address = DatabaseAddress.parse(stand.server.url)
        engine = create_thread_engine(address, connections=self.connections)
        try:
            return [
                *self._compared(engine, sample, "one by one", (1, 1), 0.85),
                *self._compared(engine, sample, "one by one", (1, self.connections), 0.85),
                *self._compared(engine, sample, "in bulk", (self.batch, 1), 0.7),
                Figure("commits on one connection", self._commits(engine), "commits/s"),
            ]
        finally:
            engine.dispose()

    def _compared(
        self, engine: Engine, sample: int, name: str, size: tuple[int, int], share: float
    ) -> list[Figure]:
        batch, connections = size
        seconds = self.seconds / 2 / SLICES
        new = [waiting_task()] * batch

        def create(connection: Connection) -> int:
            made = len(tasks.create(connection, new))
            commit(connection)
            return made

        bare = _bare(engine, sample, batch)
        ours, limit = 0.0, 0.0
        for _ in range(SLICES):
            with _creations(engine, create, connections) as steps:
                ours += _per_second(steps, seconds) / SLICES
            with _loops(engine, bare, connections) as steps:
                limit += _per_second(steps, seconds) / SLICES
        label = f"{name}, {connections} connection{'s' if connections > 1 else ''}"
        return [
            Figure(label, ours, "tasks/s"),
            Figure(f"{label}, bare INSERTs", limit, "tasks/s"),
            Figure(f"{label}, share", ours / limit, "", at_least=share),
        ]

    def _commits(self, engine: Engine) -> float:
        def one(cursor: Any) -> int:
            cursor.execute("INSERT INTO bench_commits () VALUES ()")
            return 1

        with engine.connect() as connection:
            columns = "id BIGINT AUTO_INCREMENT PRIMARY KEY"
            connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS bench_commits ({columns})")
        with _loops(engine, one, 1) as steps:
            rate = _per_second(steps, self.seconds / 2 / SLICES)
        with engine.connect() as connection:
            connection.exec_driver_sql("DROP TABLE bench_commits")
        return rate


def _bare(engine: Engine, sample: int, batch: int) -> Callable[[Any], int]:
    """Return what inserts rows like the sample's, and their payloads, by a cursor."""
    columns = ", ".join(COPIED)
    with engine.connect() as connection:
        query = f"SELECT {columns}, available_at FROM tasks WHERE id = %s"
        row = tuple(connection.exec_driver_sql(query, (sample,)).one())
    values = f"({', '.join(['%s'] * len(row))})"
    payload = json.dumps(PAYLOAD)

    def insert(cursor: Any) -> int:
        text = cursor.mogrify(values, row)
        rows = ",".join([text] * batch)
        cursor.execute(f"INSERT INTO tasks ({columns}, available_at) VALUES {rows}")
        first = cursor.lastrowid
        pairs = ",".join(cursor.mogrify("(%s, %s)", (first + at, payload)) for at in range(batch))
        cursor.execute(_PAYLOADS + pairs)
        return batch

    return insert


@contextmanager
def _creations(
    engine: Engine, create: Callable[[Connection], int], count: int
) -> Iterator[list[Step]]:
    """Provide steps that create, each on a connection of its own, which is held as by `_loops`."""
    with ExitStack() as stack:
        held = [stack.enter_context(engine.connect()) for _ in range(count)]
        yield [partial(create, connection) for connection in held]


@contextmanager
def _loops(engine: Engine, work: Callable[[Any], int], count: int) -> Iterator[list[Step]]:
    """Provide steps that do the work and commit, each on a connection of its own."""
    connections = [engine.raw_connection() for _ in range(count)]

    def step_on(connection: Any) -> Step:
        cursor = connection.cursor()

        def step() -> int:
            made = work(cursor)
            connection.commit()
            return made

        return step

    try:
        yield [step_on(connection) for connection in connections]
    finally:
        for connection in connections:
            connection.close()


def _per_second(steps: list[Step], seconds: float) -> float:
    """Repeat all steps at once for so long; return the tasks that they made per second."""
    begun = time.perf_counter()
    end = begun + seconds

    def repeat(step: Step) -> int:
        made = step()
        while time.perf_counter() < end:
            made += step()
        return made

    with ThreadPoolExecutor(len(steps)) as pool:
        made = sum(pool.map(repeat, steps))
    return made / (time.perf_counter() - begun)
