"""The claim: take due rows, highest priority first, first come first served within one."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, func, or_, select

from schema.attempts import Claimed
from schema.models.queues import Queue
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


def open_queues(connection: Connection) -> tuple[datetime, list[str]]:
    """Return the database's time and the names of the queues that are not paused."""
    rows = connection.execute(_OPEN_QUEUES).all()
    return (rows[0].now, [row.name for row in rows if row.name is not None])


_NOW = select(func.utc_timestamp(6).label("now")).subquery()
_OPEN_QUEUES = (
    select(_NOW.c.now, Queue.name)
    .select_from(_NOW.outerjoin(Queue, or_(Queue.is_paused == 0, Queue.resume_at <= _NOW.c.now)))
    .order_by(Queue.name)
)


def claim(
    connection: Connection,
    worker_id: str,
    *,
    queues: Sequence[str],
    now: datetime,
    slots: int,
    hints: ScanHints,
) -> list[Claimed]:
    """Take up to `slots` due tasks of `queues` for a worker until now + timeout_seconds.

    The highest priority first over all queues; within one, queue by queue as named, and within
    a queue by available_at and id; tasks that have aged go before. `now` is the database's
    time, read in this transaction.
    Raises ClaimShortError when the guard found a locked row changed.
    """
    rows = _lock_all(connection, queues, now, slots, hints)
    if not rows:
        return []
    ids = ",".join(str(row.id) for row in rows)
    taken = connection.exec_driver_sql(TAKE_LEASES.format(ids=ids), (worker_id, now, now))
    if taken.rowcount != len(rows):
        hints.drop()
        raise ClaimShortError(f"locked {len(rows)} tasks, took {taken.rowcount}")
    return list(_with_details(connection, rows, ids, now))


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


def _lock_all(
    connection: Connection, queues: Sequence[str], now: datetime, slots: int, hints: ScanHints
) -> list[Locked]:
    places = _filled(connection, queues)
    rows: list[Locked] = []
    aged_by = None
    if hints.aging_seconds is not None:
        aged_by = now - timedelta(seconds=hints.aging_seconds)
        for place in places:
            rows += _lock(connection, (place, True), aged_by, slots - len(rows), hints)
    for place in places:
        if aged_by is not None:
            _pass_over(hints, place, aged_by)
        rows += _lock(connection, (place, False), now, slots - len(rows), hints)
    return rows


def _pass_over(hints: ScanHints, place: Place, aged_by: datetime) -> None:
    """Let the scan begin behind what has aged: SKIP LOCKED does not skip one's own locks."""
    end = (aged_by, MAX_ID)
    hints.note(place, max(end, hints.end_of(place) or end))


def _lock(
    connection: Connection, scan: tuple[Place, bool], until: datetime, limit: int, hints: ScanHints
) -> Sequence[Locked]:
    if limit == 0:
        return []
    place, aged = scan
    end = hints.end_of(place, aged=aged)
    if end is None:
        rows = connection.exec_driver_sql(CLAIM, (*place, until, limit)).all()
    else:
        moment, last_id = end
        parameters = (*place, moment, last_id, moment, until, limit)
        rows = connection.exec_driver_sql(CLAIM_ONWARD, parameters).all()
    if rows:
        hints.note(place, (rows[-1].available_at, rows[-1].id), aged=aged)
    return rows


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
