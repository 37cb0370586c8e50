"""Backlog: what claim and settle cost where few, many, very many tasks wait, beside ended ones."""

import statistics
import time
from dataclasses import dataclass
from typing import NamedTuple

from schema import tasks
from schema.runtime.transactions import transaction
from tools.bench import filling
from tools.bench.figures import Figure
from tools.bench.filling import waiting_task
from tools.bench.rounds import Rounds
from tools.bench.stand import Stand

WARM_ROUNDS = 5


class _Costs(NamedTuple):
    """Milliseconds of a claim, and of all that a batch takes: claim, settle and their commits."""

    claim: float
    whole: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a batch costs at three backlogs, which rounds of claim, settle, create keep."""

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
        costs = [self._costs_at(stand, size) for size in (self.few, self.many, self.most)]
        claims = [cost.claim for cost in costs]
        rates = [self.slots / cost.whole * 1e3 for cost in costs]
        return [
            Figure("1: few wait", claims[0], "ms"),
            Figure("2: many wait", claims[1], "ms"),
            Figure("3: very many wait", claims[2], "ms"),
            Figure("dearest against cheapest", max(claims) / min(claims), "x", at_most=1.3),
            Figure("throughput where few wait", rates[0], "tasks/s"),
            Figure("throughput where very many wait", rates[2], "tasks/s"),
            Figure("throughput, very many against few", rates[2] / rates[0], "x", at_least=0.9),
        ]

    def _costs_at(self, stand: Stand, size: int) -> _Costs:
        with stand.engine.connect() as connection:
            wait = "SELECT COUNT(*) FROM tasks WHERE claimable = 1"
            have = connection.exec_driver_sql(wait).scalar_one()
        filling.fill(stand.engine, waiting_task(), size - have)
        stand.wait_until_quiet()
        rounds = Rounds(stand.engine, self.slots)
        costs = [self._round(stand, rounds) for _ in range(WARM_ROUNDS + self.rounds)]
        return _Costs(*map(statistics.median, zip(*costs[WARM_ROUNDS:], strict=True)))

    def _round(self, stand: Stand, rounds: Rounds) -> _Costs:
        begun = time.perf_counter()
        claim = rounds.take_one()
        whole = (time.perf_counter() - begun) * 1e3
        with transaction(stand.engine) as connection:
            tasks.create(connection, [waiting_task()] * self.slots)
        return _Costs(claim, whole)
