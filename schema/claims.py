"""The claim: take due rows, highest priority first, first come first served within one."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row

from schema.attempts import Claimed
from schema.gates import Gates, spend
from schema.statements import (
    ANY_CLAIMABLE,
    CLAIM,
    CLAIM_ONWARD,
    CLAIMABLE_IN,
    PAYLOADS,
    TAGS,
    TAKE_LEASES,
)
from schema.states import Priority

HINT_SECONDS = 1.0
"""How long a scan may start where the last one ended. Tasks that came back with an earlier
moment than that are found when it is over."""

Place = tuple[str, str]
"""A queue and a priority."""

Locked = Row[tuple[object, ...]]
"""A row as the locking SELECT returned it."""


class ClaimShortError(Exception):
    """The locked rows were not all there to take: the server did not keep its locks."""


End = tuple[datetime, int]
"""An available_at and an id: where a scan ended, and the next goes on."""

MAX_ID = 2**63 - 1


@dataclass(slots=True)
class ScanHints:
    """Where the last scans ended, so that the next do not wade through dead index entries.

    With `aging_seconds`, tasks that have waited so long go before all others.
    """

    aging_seconds: float | None = None
    _ends: dict[tuple[Place, bool], End] = field(default_factory=dict)
    _since: float = 0.0

    def end_of(self, place: Place, *, aged: bool = False) -> End | None:
        """Return the moment and id behind which to scan, None for the whole range."""
        if time.monotonic() - self._since > HINT_SECONDS:
            self.drop()
        return self._ends.get((place, aged))

    def note(self, place: Place, end: End, *, aged: bool = False) -> None:
        """Remember where a scan ended."""
        self._ends[place, aged] = end

    def drop(self) -> None:
        """Forget everything, as after a claim that was rolled back."""
        self._ends.clear()
        self._since = time.monotonic()


def has_claimable(connection: Connection) -> bool:
    """Whether any task waits, due or not: the cheapest question that an idle worker can ask."""
    return connection.exec_driver_sql(ANY_CLAIMABLE).first() is not None


def claim(
    connection: Connection,
    worker_id: str,
    *,
    gates: Gates,
    slots: int,
    hints: ScanHints,
) -> list[Claimed]:
    """Take up to `slots` due tasks that the gates let through, until now + timeout_seconds.

    The highest priority first over all queues; within one, queue by queue as named, and within
    a queue by available_at and id; tasks that have aged go before. In queues with a limit the
    order is strict. The gates must have been entered in this transaction.
    Raises ClaimShortError when the guard found a locked row changed.
    """
    rows = _lock_all(connection, gates, slots, hints)
    if not rows:
        return []
    ids = ",".join(str(row.id) for row in rows)
    parameters = (worker_id, gates.now, gates.now)
    taken = connection.exec_driver_sql(TAKE_LEASES.format(ids=ids), parameters)
    if taken.rowcount != len(rows):
        hints.drop()
        raise ClaimShortError(f"locked {len(rows)} tasks, took {taken.rowcount}")
    spend(connection, gates, Counter(str(row.queue) for row in rows))
    return list(_with_details(connection, rows, ids, gates.now))


def _filled(connection: Connection, queues: Sequence[str]) -> list[Place]:
    places = [(queue, str(priority)) for priority in Priority for queue in queues]
    if not places:
        return []
    looks = " UNION ALL ".join([CLAIMABLE_IN] * len(places))
    parameters = tuple(
        value for position, place in enumerate(places) for value in (position, *place)
    )
    found = connection.exec_driver_sql(looks, parameters).scalars()
    return [places[position] for position in sorted(int(position) for position in found)]


def _lock_all(connection: Connection, gates: Gates, slots: int, hints: ScanHints) -> list[Locked]:
    strict = ScanHints(hints.aging_seconds)  # of this claim alone: from the head of the queue
    left = {queue: gates.allowance(queue, slots) for queue in gates.queues}
    rows: list[Locked] = []
    for place, aged in _scans(_filled(connection, gates.queues), hints.aging_seconds):
        queue = place[0]
        limit = min(slots - len(rows), left[queue])
        scan = Scan(place, aged=aged, now=gates.now, limit=limit)
        found = _lock(connection, scan, strict if queue in gates.allowances else hints)
        left[queue] -= len(found)
        rows += found
    return rows


def _scans(places: Sequence[Place], aging_seconds: float | None) -> Iterator[tuple[Place, bool]]:
    if aging_seconds is not None:
        yield from ((place, True) for place in places)
    yield from ((place, False) for place in places)


@dataclass(frozen=True, slots=True)
class Scan:
    """One range of the claim index: a place, what has aged in it or the rest, and how many."""

    place: Place
    aged: bool
    now: datetime
    limit: int


def _lock(connection: Connection, scan: Scan, hints: ScanHints) -> Sequence[Locked]:
    if scan.limit == 0:
        return []
    until, end = _range(scan, hints)
    if end is None:
        rows = connection.exec_driver_sql(CLAIM, (*scan.place, until, scan.limit)).all()
    else:
        moment, last_id = end
        parameters = (*scan.place, moment, last_id, moment, until, scan.limit)
        rows = connection.exec_driver_sql(CLAIM_ONWARD, parameters).all()
    if rows:
        hints.note(scan.place, (rows[-1].available_at, rows[-1].id), aged=scan.aged)
    return rows


def _range(scan: Scan, hints: ScanHints) -> tuple[datetime, End | None]:
    """Return up to where a scan goes, and behind what it begins.

    The rest begins behind what has aged: SKIP LOCKED does not skip one's own locks.
    """
    end = hints.end_of(scan.place, aged=scan.aged)
    if hints.aging_seconds is None:
        return scan.now, end
    aged_by = scan.now - timedelta(seconds=hints.aging_seconds)
    if scan.aged:
        return aged_by, end
    aged_end = (aged_by, MAX_ID)
    return scan.now, max(end or aged_end, aged_end)


def _with_details(
    connection: Connection, rows: Sequence[Locked], ids: str, now: datetime
) -> Iterator[Claimed]:
    found = connection.exec_driver_sql(PAYLOADS.format(ids=ids))
    payloads = {row.task_id: row.payload for row in found}
    tags: dict[int, list[str]] = {}
    for task_id, name in connection.exec_driver_sql(TAGS.format(ids=ids)):
        tags.setdefault(task_id, []).append(name)
    for row in rows:
        yield Claimed(
            id=row.id,
            fence=row.fence + 1,
            title=row.title,
            task_type=row.task_type,
            queue=row.queue,
            account_id=row.account_id,
            timeout_seconds=row.timeout_seconds,
            attempt=row.current_retry_count + 1,
            available_at=row.available_at,
            started_at=now,
            traceparent=row.traceparent,
            payload=payloads.get(row.id),
            tags=tuple(tags.get(row.id, ())),
            checkpoint=row.checkpoint,
        )
