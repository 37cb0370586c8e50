"""Backlog: what a claim costs where few, many and very many tasks wait beside finished ones."""

import statistics
from dataclasses import dataclass

from schema import tasks
from schema.runtime.transactions import transaction
from tools.bench import filling
from tools.bench.figures import Figure
from tools.bench.filling import waiting_task
from tools.bench.rounds import Rounds
from tools.bench.stand import Stand

WARM_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Backlog:
    """Milliseconds of a claim at three backlogs, which rounds of claim, settle, create keep."""

    few: int = 1_000
    many: int = 100_000
    most: int = 1_000_000
    finished: int = 1_000_000
    slots: int = 50
    rounds: int = 200

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        stand.empty()
        first = filling.fill(stand.engine, waiting_task(), 1)
        Rounds(stand.engine, 1).take_one()
        filling.multiply(stand.engine, first, self.finished)
        costs = [self._cost_at(stand, size) for size in (self.few, self.many, self.most)]
        return [
            Figure("1: few wait", costs[0], "ms"),
            Figure("2: many wait", costs[1], "ms"),
            Figure("3: very many wait", costs[2], "ms"),
            Figure("dearest against cheapest", max(costs) / min(costs), "x", at_most=1.3),
        ]

    def _cost_at(self, stand: Stand, size: int) -> float:
        with stand.engine.connect() as connection:
            wait = "SELECT COUNT(*) FROM tasks WHERE claimable = 1"
            have = connection.exec_driver_sql(wait).scalar_one()
        filling.fill(stand.engine, waiting_task(), size - have)
        stand.wait_until_quiet()
        rounds = Rounds(stand.engine, self.slots)
        costs = [self._round(stand, rounds) for _ in range(WARM_ROUNDS + self.rounds)]
        return statistics.median(costs[WARM_ROUNDS:])

    def _round(self, stand: Stand, rounds: Rounds) -> float:
        cost = rounds.take_one()
        with transaction(stand.engine) as connection:
            tasks.create(connection, [waiting_task()] * self.slots)
        return cost
