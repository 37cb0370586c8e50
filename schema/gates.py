"""The gates of the claim: a stopped dispatcher, paused queues, and queues with limits.

Whoever claims holds these rows until its COMMIT: shared where there is no limit, so that claims
do not wait for each other and a pause waits for them; exclusively where there is one, so that
what is counted stays true. Once a pause or a stop has answered, nothing more is claimed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from schema.statements import (
    GATE_DISPATCHER,
    GATE_LIMITED,
    GATE_NAMES,
    GATE_OPEN,
    RUNNING_IN,
    SPEND_TOKENS,
)

Choose = Callable[[Sequence[str]], Sequence[str]]
"""Which of the queues there are a worker takes, in the order of its preference."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What may be claimed at `now`: queues in order, and how many of those with a limit."""

    now: datetime
    queues: Sequence[str]
    allowances: Mapping[str, int] = field(default_factory=dict)

    def allowance(self, queue: str, slots: int) -> int:
        """Return how many of a queue may be taken for so many slots."""
        return min(slots, self.allowances.get(queue, slots))


def enter(connection: Connection, choose: Choose) -> Gates:
    """Lock the gates of the queues chosen, and return what they let through.

    Exclusive locks are taken in the order of the names, after the shared ones, so that two
    claims cannot wait for each other.
    """
    found = connection.exec_driver_sql(GATE_NAMES).all()
    now: datetime = found[0].now
    limited = {row.name for row in found if row.is_limited}
    chosen = choose([row.name for row in found if row.name is not None])
    if not chosen or not _dispatcher_runs(connection):
        return Gates(now, ())
    open_ = _lock(connection, GATE_OPEN, [name for name in chosen if name not in limited])
    gated = _lock(connection, GATE_LIMITED, sorted(limited.intersection(chosen)))
    # One that got a limit since the names were read is left for the next claim.
    passable = {name for name, row in open_.items() if not row.is_limited}
    allowances = {name: _allowance(connection, row) for name, row in gated.items()}
    passable |= {name for name, allowance in allowances.items() if allowance > 0}
    return Gates(now, [name for name in chosen if name in passable], allowances)


def spend(connection: Connection, gates: Gates, taken: Mapping[str, int]) -> None:
    """Take the tokens of started tasks from the buckets of queues with a rate limit."""
    for queue in sorted(gates.allowances.keys() & taken.keys()):
        connection.exec_driver_sql(SPEND_TOKENS, (taken[queue], queue))


def _dispatcher_runs(connection: Connection) -> bool:
    return not connection.exec_driver_sql(GATE_DISPATCHER).scalar_one_or_none()


def _lock(connection: Connection, statement: str, names: Sequence[str]) -> dict[str, Any]:
    if not names:
        return {}
    marks = ",".join(["%s"] * len(names))
    rows = connection.exec_driver_sql(statement.format(names=marks), tuple(names))
    return {row.name: row for row in rows if not row.is_closed}


def _allowance(connection: Connection, row: Any) -> int:
    """Return how many tasks of a locked queue may start now. Leases are counted, not counters."""
    allowances = []
    if row.max_concurrency is not None:
        running = connection.exec_driver_sql(RUNNING_IN, (row.name,)).scalar_one()
        allowances.append(row.max_concurrency - running)
    if row.rate_limit is not None:
        allowances.append(int(row.tokens))
    return int(max(min(allowances), 0))
