"""Rounds of claim and settle, as a worker makes them, each claim timed.

What is timed is all that a worker asks in its claiming transaction but COMMIT, whose flush costs
the same however many tasks wait.
"""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy import Connection, Engine

from schema import claims, gates
from schema.attempts import Claimed, Settlement, Succeeded
from schema.claims import ScanHints
from schema.endings import Backoff
from schema.gates import Gates
from schema.runtime.transactions import transaction
from schema.settling import settle
from tools.bench.errors import BenchError

WORKER_ID = "bench:0:rounds"


def through(connection: Connection) -> Gates:
    """Enter the gates of all queues."""
    return gates.enter(connection, lambda names: names)


class Rounds:
    """A worker of one thread, with the hints that a worker keeps from claim to claim."""

    def __init__(
        self, engine: Engine, slots: int, enter: Callable[[Connection], Gates] = through
    ) -> None:
        self._engine = engine
        self._slots = slots
        self._enter = enter
        self._hints = ScanHints()

    def take(self, count: int) -> list[float]:
        """Claim and settle `count` full batches; return the milliseconds of each claim."""
        return [self.take_one() for _ in range(count)]

    def take_one(self) -> float:
        """Claim and settle a full batch; return the milliseconds of the claim."""
        with transaction(self._engine) as connection:
            began = time.perf_counter()
            claims.has_claimable(connection, self._hints)
            claimed = claims.claim(
                connection,
                WORKER_ID,
                gates=self._enter(connection),
                slots=self._slots,
                hints=self._hints,
            )
            milliseconds = (time.perf_counter() - began) * 1e3
        if len(claimed) != self._slots:
            raise BenchError(f"A claim of {self._slots} took {len(claimed)} tasks.")
        self._settle(claimed)
        return milliseconds

    def _settle(self, claimed: Sequence[Claimed]) -> None:
        with transaction(self._engine) as connection:
            refused = settle(connection, [_succeeded(task) for task in claimed], Backoff())
        if refused:
            raise BenchError(f"Of {self._slots} settles {len(refused)} were refused.")


def _succeeded(task: Claimed) -> Settlement:
    return Settlement(
        task_id=task.id,
        fence=task.fence,
        attempt=task.attempt,
        worker_id=WORKER_ID,
        available_at=task.available_at,
        started_at=task.started_at,
        ended_at=task.started_at + timedelta(milliseconds=1),
        outcome=Succeeded(),
    )
