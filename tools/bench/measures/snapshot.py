"""Snapshot: what claims cost while a dump or a DBA's session keeps the server from purging."""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from schema import queues
from schema.runtime.transactions import transaction
from tools.bench import filling
from tools.bench.draining import history_length
from tools.bench.errors import BenchError
from tools.bench.figures import Figure
from tools.bench.filling import waiting_task
from tools.bench.rounds import Rounds
from tools.bench.stand import Stand

EMPTY_QUEUE = "an empty queue"
"""Stands before the queue in the index; in the queue itself the empty range of 高 does."""

WARM_ROUNDS = 10
_HOLD = (
    "SET SESSION wait_timeout = 3600",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Milliseconds of a claim in the first and in the last twentieth of the tasks."""

    tasks: int = 100_000
    slots: int = 50

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        stand.empty()
        with transaction(stand.engine) as connection:
            queues.ensure(connection, [EMPTY_QUEUE])
        count = self.tasks // self.slots
        filling.fill(stand.engine, waiting_task(), (count + WARM_ROUNDS) * self.slots)
        stand.wait_until_quiet()
        rounds = Rounds(stand.engine, self.slots)
        rounds.take(WARM_ROUNDS)
        with _snapshot(stand):
            costs = rounds.take(count)
            history = Figure(
                "history length at the end", history_length(stand.engine), "transactions"
            )
        return [*_figures(costs[: -(-count // 20)], costs[-(-count // 20) :]), history]


def _figures(first: list[float], last: list[float]) -> list[Figure]:
    middle = [statistics.median(first), statistics.median(last)]
    mean = [statistics.fmean(first), statistics.fmean(last)]
    return [
        Figure("median at the start", middle[0], "ms"),
        Figure("median at the end", middle[1], "ms"),
        Figure("end against start, median", middle[1] / middle[0], "x", at_most=1.5),
        Figure("mean at the start", mean[0], "ms"),
        Figure("mean at the end", mean[1], "ms"),
        Figure("end against start, mean", mean[1] / mean[0], "x", at_most=1.5),
        Figure("slowest at the end", max(last), "ms"),
    ]


@contextmanager
def _snapshot(stand: Stand) -> Iterator[None]:
    connection = stand.engine.raw_connection()
    cursor = connection.cursor()
    try:
        for statement in _HOLD:
            cursor.execute(statement)
        before = _waiting(cursor)
        yield
        if _waiting(cursor) != before:
            raise BenchError("The snapshot was not held.")
    finally:
        connection.invalidate()


def _waiting(cursor: Any) -> Any:
    cursor.execute("SELECT COUNT(*) FROM tasks WHERE claimable = 1")
    return cursor.fetchone()
