"""The gates of the claim: a stopped dispatcher, paused queues, and queues with limits.

Whoever claims holds these rows until its COMMIT: shared where there is no limit, so that claims
do not wait for each other and a pause waits for them; exclusively where there is one, so that
what is counted stays true. Once a pause or a stop has answered, nothing more is claimed. A queue
that has nothing to give, or is full, is not locked at all: its limit costs others nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from schema import dispatcher
from schema.statements import (
    GATE_LIMITED,
    GATE_NAMES,
    GATE_OPEN,
    GATE_ROOM,
    GATE_RUNNING,
    SPEND_TOKENS,
)

Choose = Callable[[Sequence[str]], Sequence[str]]
"""Which of the queues there are a worker takes, in the order of its preference."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What may be claimed at `now`: queues in order, and how many of those with a limit.

    `is_stopped`: nothing at all, for the dispatcher is stopped. `is_full`: some queue has work
    and no room for more of it in progress.
    """

    now: datetime
    queues: Sequence[str] = ()
    allowances: Mapping[str, int] = field(default_factory=dict)
    is_stopped: bool = False
    is_full: bool = False

    def allowance(self, queue: str, slots: int) -> int:
        """Return how many of a queue may be taken for so many slots."""
        return min(slots, self.allowances.get(queue, slots))


def enter(connection: Connection, choose: Choose) -> Gates:
    """Lock the gates of the queues chosen, and return what they let through.

    Exclusive locks are taken in the order of the names, after the shared ones, so that two
    claims cannot wait for each other.
    """
    found = connection.exec_driver_sql(GATE_NAMES).all()
    now = found[0].now
    not_closed = {row.name: row for row in found if row.name is not None and not row.is_closed}
    chosen = choose(list(not_closed))
    limited = sorted(name for name in chosen if not_closed[name].is_limited)
    worth, is_full = _with_room(connection, limited) if limited else ([], False)
    unlimited = [name for name in chosen if not not_closed[name].is_limited]
    if (unlimited or worth) and not dispatcher.lets_through(connection):
        return Gates(now, is_stopped=True)
    open_ = _lock(connection, GATE_OPEN, unlimited)
    gated = _lock(connection, GATE_LIMITED, worth)
    allowances: Mapping[str, int] = {}
    if gated:
        now, allowances = _allowances(connection, gated)
    # One that got a limit since the names were read is left for the next claim.
    passable = {name for name, row in open_.items() if not row.is_limited}
    passable |= {name for name in gated if allowances.get(name, 1) > 0}
    return Gates(now, [name for name in chosen if name in passable], allowances, is_full=is_full)


def spend(connection: Connection, gates: Gates, taken: Mapping[str, int]) -> None:
    """Take the tokens of started tasks from the buckets of queues with a rate limit."""
    for queue in sorted(gates.allowances.keys() & taken.keys()):
        connection.exec_driver_sql(SPEND_TOKENS, (taken[queue], queue))


def _with_room(connection: Connection, limited: Sequence[str]) -> tuple[Sequence[str], bool]:
    """Return which of the queues have work and room for it, and whether others have no room."""
    with_work = [row for row in _of(connection, GATE_ROOM, limited) if row.has_work]
    worth = [row.name for row in with_work if not row.is_full and not row.is_spent]
    return sorted(worth), any(row.is_full for row in with_work)


def _lock(connection: Connection, statement: str, names: Sequence[str]) -> dict[str, Any]:
    rows = _of(connection, statement, names) if names else ()
    return {row.name: row for row in rows if not row.is_closed}


def _allowances(
    connection: Connection, gated: Mapping[str, Any]
) -> tuple[datetime, Mapping[str, int]]:
    """Return the time, and how many tasks of each locked queue may start.

    Leases are counted, not counters. The time is read behind the locks, lest a task seem to
    start before the one has ended whose place it takes. One that lost its limits since the names
    were read is left out.
    """
    rows = _of(connection, GATE_RUNNING, list(gated))
    allowances = {row.name: _allowance(gated[row.name], row.running) for row in rows}
    known = {name: allowance for name, allowance in allowances.items() if allowance is not None}
    return rows[0].now, known


def _allowance(queue: Any, running: int) -> int | None:
    allowances = []
    if queue.max_concurrency is not None:
        allowances.append(queue.max_concurrency - running)
    if queue.rate_limit is not None:
        allowances.append(int(queue.tokens))
    return max(min(allowances), 0) if allowances else None


def _of(connection: Connection, statement: str, names: Sequence[str]) -> Sequence[Any]:
    marks = ",".join(["%s"] * len(names))
    return connection.exec_driver_sql(statement.format(names=marks), tuple(names)).all()
