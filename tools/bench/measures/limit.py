"""Limit: how well several workers use a queue that is limited, and that they never exceed it.

Concurrency is read from the attempts' own times, while the backlog lasts: from the first start to
the last one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from schema import queues
from schema.new_task import NewTask
from schema.runtime.transactions import transaction
from tools.bench import filling
from tools.bench.draining import wait_until_done
from tools.bench.errors import BenchError
from tools.bench.figures import Figure
from tools.bench.stand import Stand
from tools.bench.workers import workers

QUEUE = "limited"
SHARE = 0.98
"""Of the limit that must be in use on average: 4.9 of 5."""

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Limit:
    """Tasks that take a while, in a queue whose limit is far below the workers' slots."""

    tasks: int = 150
    seconds: float = 1.0
    limit: int = 5
    processes: int = 4
    slots: int = 16

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        stand.empty()
        with transaction(stand.engine) as connection:
            queues.create(connection, QUEUE, {"max_concurrency": self.limit})
        filling.pause(stand.engine, QUEUE)
        task = NewTask(
            title="sleeps", task_type="sleep", queue=QUEUE, payload={"seconds": self.seconds}
        )
        filling.fill(stand.engine, task, self.tasks)
        with workers(stand, slots=self.slots, queues=["*"] * self.processes) as started:
            filling.resume(stand.engine, QUEUE)
            wait_until_done(stand.engine, QUEUE, self.tasks, started)
        spans = _spans(stand)
        if len(spans) != self.tasks:
            raise BenchError(f"Of {self.tasks} tasks {len(spans)} were carried out.")
        wanted = SHARE * self.limit
        return [
            Figure("at once, most", most_at_once(spans), "tasks", at_most=self.limit),
            Figure("at once, average", average_at_once(spans), "tasks", at_least=wanted),
        ]


def most_at_once(spans: Sequence[Span]) -> int:
    """Return the largest number of spans that overlap; one may begin where another ends."""
    changes = sorted([(end, -1) for _, end in spans] + [(start, 1) for start, _ in spans])
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def average_at_once(spans: Sequence[Span]) -> float:
    """Return how many spans overlap on average between the first start and the last."""
    first, last = min(start for start, _ in spans), max(start for start, _ in spans)
    seconds = [(min(end, last) - start).total_seconds() for start, end in spans]
    return sum(seconds) / max((last - first).total_seconds(), 1e-9)


def _spans(stand: Stand) -> list[Span]:
    with stand.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT started_at, ended_at FROM task_attempts")
        return [(row.started_at, row.ended_at) for row in rows]
