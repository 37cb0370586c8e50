"""Pickup: how long a new task waits for an idle worker.

From the moment when the commit of its creation has returned to the first line of its handler,
both read from the monotonic clock that all processes of a machine share.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from schema import tasks
from schema.new_task import NewTask
from schema.runtime.transactions import transaction
from tools.bench.draining import wait_until_done
from tools.bench.figures import Figure, quantile
from tools.bench.handlers import STAMP
from tools.bench.stand import Stand
from tools.bench.workers import workers

QUEUE = "pickup"
WARM_TASKS = 20
SLOTS = 10


@dataclass(frozen=True, slots=True)
class Pickup:
    """Latencies of one task every so often, and of the first one after a long idle time.

    For the latter several workers, each with a queue of its own, idle at the same time; then
    each gets a task.
    """

    samples: int = 300
    interval_seconds: float = 0.1
    idle_seconds: float = 60.0
    idle_workers: int = 10

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        steady = self._steady(stand)
        after_idling = self._after_idling(stand)
        return [
            Figure("p50", quantile(steady, 0.5), "ms", at_most=15),
            Figure("p95", quantile(steady, 0.95), "ms"),
            Figure("p99", quantile(steady, 0.99), "ms", at_most=60),
            Figure("p50 after idling", quantile(after_idling, 0.5), "ms"),
            Figure("p99 after idling", quantile(after_idling, 0.99), "ms", at_most=300),
        ]

    def _steady(self, stand: Stand) -> list[float]:
        stand.empty()
        with workers(stand, slots=SLOTS):
            created: dict[int, int] = {}
            for _ in range(WARM_TASKS + self.samples):
                time.sleep(self.interval_seconds)
                created |= _create(stand, QUEUE)
            wait_until_done(stand.engine, QUEUE, len(created))
        return _latencies(stand, created)[WARM_TASKS:]

    def _after_idling(self, stand: Stand) -> list[float]:
        stand.empty()
        names = [f"{QUEUE}-{number}" for number in range(self.idle_workers)]
        with workers(stand, slots=SLOTS, queues=names):
            created: dict[int, int] = {}
            for name in names:  # the first task of a process warms it
                _create(stand, name)
                wait_until_done(stand.engine, name, 1)
            time.sleep(self.idle_seconds)
            for name in names:
                time.sleep(self.interval_seconds)
                created |= _create(stand, name)
            for name in names:
                wait_until_done(stand.engine, name, 1)
        return _latencies(stand, created)


def _create(stand: Stand, queue: str) -> dict[int, int]:
    """Create a task; return when the commit had returned (monotonic nanoseconds), by its id."""
    with transaction(stand.engine) as connection:
        ids = tasks.create(connection, [NewTask(title="stamp", task_type=STAMP, queue=queue)])
    return {ids[0]: time.monotonic_ns()}


def _latencies(stand: Stand, created: Mapping[int, int]) -> list[float]:
    """Return the milliseconds from creation to start, in the order of creation."""
    with stand.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT task_id, result FROM task_attempts").all()
    started = {row.task_id: json.loads(row.result) for row in rows}
    return [(started[task_id] - moment) / 1e6 for task_id, moment in created.items()]
