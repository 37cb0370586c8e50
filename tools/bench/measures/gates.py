"""Gates: what a claim pays for the locks of the dispatcher and of its queues."""

import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import Connection

from schema import queues
from schema.gates import Gates as Entered
from schema.runtime.transactions import transaction
from tools.bench import filling
from tools.bench.figures import Figure
from tools.bench.filling import QUEUE, waiting_task
from tools.bench.rounds import Rounds, through
from tools.bench.stand import Stand

PLENTY = 1_000_000


def past(connection: Connection) -> Entered:
    """Return gates that nobody has looked at."""
    now = connection.exec_driver_sql("SELECT UTC_TIMESTAMP(6)").scalar_one()
    return Entered(now, [QUEUE])


Kind = tuple[Mapping[str, int | None], Callable[[Connection], Entered]]
"""The limits of the queue, and how its gates are entered."""

OPEN: Mapping[str, int | None] = {"max_concurrency": None, "rate_limit": None}
KINDS: Mapping[str, Kind] = {
    "1: past the gates": (OPEN, past),
    "2: no limit": (OPEN, through),
    "3: max_concurrency": ({**OPEN, "max_concurrency": PLENTY}, through),
    "4: rate_limit": ({**OPEN, "rate_limit": PLENTY}, through),
}


@dataclass(frozen=True, slots=True)
class Gates:
    """Milliseconds of a claim of one worker, and tasks per second of several at once.

    The kinds take turns, so that what else the machine does falls on all of them. At last other
    queues are there, which are limited and have no tasks.
    """

    slots: int = 10
    rounds: int = 200
    workers: int = 3
    idle_queues: int = 20

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        stand.empty()
        rounds = self.rounds * (len(KINDS) * (1 + self.workers) + 1)
        filling.fill(stand.engine, waiting_task(), rounds * self.slots)
        costs = self._alone(stand, KINDS)
        rates = {name: self._together(stand, kind) for name, kind in KINDS.items()}
        with transaction(stand.engine) as connection:
            for number in range(self.idle_queues):
                queues.create(connection, f"idle-{number}", {"max_concurrency": 1})
        costs |= self._alone(stand, {"5: no limit, beside limited queues": (OPEN, through)})
        return [
            *(Figure(name, statistics.median(each), "ms") for name, each in costs.items()),
            *(Figure(f"{name}, at once", rate, "tasks/s") for name, rate in rates.items()),
        ]

    def _alone(self, stand: Stand, kinds: Mapping[str, Kind]) -> dict[str, list[float]]:
        costs: dict[str, list[float]] = {name: [] for name in kinds}
        one = {name: Rounds(stand.engine, self.slots, kind[1]) for name, kind in kinds.items()}
        for _ in range(self.rounds):
            for name, kind in kinds.items():
                _limit(stand, kind)
                costs[name].append(one[name].take_one())
        return costs

    def _together(self, stand: Stand, kind: Kind) -> float:
        _limit(stand, kind)
        began = time.perf_counter()
        with ThreadPoolExecutor(self.workers) as pool:
            many = [Rounds(stand.engine, self.slots, kind[1]) for _ in range(self.workers)]
            done = [pool.submit(one.take, self.rounds) for one in many]
            for each in done:
                each.result()
        return self.workers * self.rounds * self.slots / (time.perf_counter() - began)


def _limit(stand: Stand, kind: Kind) -> None:
    with transaction(stand.engine) as connection:
        queues.edit(connection, QUEUE, kind[0])
