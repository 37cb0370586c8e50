"""The claim: take due rows, highest priority first, first come first served within one."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from schema.attempts import Claimed
from schema.gates import Gates, spend
from schema.runtime.changes import note
from schema.statements import (
    ANY_CLAIMABLE,
    CLAIM,
    CLAIM_ONWARD,
    CLAIMABLE_IN,
    DETAILS,
    TAKE_LEASES,
)
from schema.states import Priority

HINT_SECONDS = 1.0
"""How long a scan may start where the last one ended. Tasks that came back with an earlier
moment than that are found when it is over."""

Place = tuple[str, str]
"""A queue and a priority."""

Locked = Row[*tuple[Any, ...]]
"""A row as the locking SELECT returned it."""


class ClaimShortError(Exception):
    """The locked rows were not all there to take: the server did not keep its locks."""


End = tuple[datetime, int]
"""An available_at and an id: where a scan ended, and the next goes on."""

MAX_ID = 2**63 - 1


@dataclass(slots=True)
class ScanHints:
    """What the last scans found, so that the next do not wade through dead index entries.

    Where they ended the next begin, and a place whose scan filled its limit is taken to have
    more. With `aging_seconds`, tasks that have waited so long go before all others.
    """

    aging_seconds: float | None = None
    _ends: dict[tuple[Place, bool], End] = field(default_factory=dict)
    _full: set[tuple[Place, bool]] = field(default_factory=set)
    _since: float = 0.0

    def end_of(self, place: Place, *, aged: bool = False) -> End | None:
        """Return the moment and id behind which to scan, None for the whole range."""
        self._drop_old()
        return self._ends.get((place, aged))

    def full_places(self) -> set[Place]:
        """Return the places that had more to take when they were last scanned."""
        self._drop_old()
        return {place for place, _ in self._full}

    def note(self, place: Place, end: End | None, *, aged: bool = False, full: bool) -> None:
        """Remember where a scan ended, and whether it filled its limit."""
        if end is not None:
            self._ends[place, aged] = end
        if full:
            self._full.add((place, aged))
        else:
            self._full.discard((place, aged))

    def drop(self) -> None:
        """Forget everything, as after a claim that was rolled back."""
        self._ends.clear()
        self._full.clear()
        self._since = time.monotonic()

    def _drop_old(self) -> None:
        if time.monotonic() - self._since > HINT_SECONDS:
            self.drop()


def has_claimable(connection: Connection, hints: ScanHints) -> bool:
    """Whether any task waits, due or not: the cheapest question that an idle worker can ask."""
    return bool(hints.full_places()) or (
        connection.exec_driver_sql(ANY_CLAIMABLE).first() is not None
    )


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
    found = _lock_all(connection, gates, slots, hints)
    count = sum([len(rows) for _, rows in found])
    if count == 0:
        return []
    ids = ",".join([str(row[0]) for _, rows in found for row in rows])
    parameters = (worker_id, gates.now, gates.now)
    taken = connection.exec_driver_sql(TAKE_LEASES.format(ids=ids), parameters)
    if taken.rowcount != count:
        hints.drop()
        raise ClaimShortError(f"locked {count} tasks, took {taken.rowcount}")
    note(connection, (row[0] for _, rows in found for row in rows))
    spend(connection, gates, _counted(found))
    return list(_with_details(connection, found, ids, gates.now))


def _filled(connection: Connection, queues: Sequence[str], full: set[Place]) -> list[Place]:
    places = [(queue, str(priority)) for priority in Priority for queue in queues]
    unsure = [place for place in places if place not in full]
    if not unsure:
        return places
    looks = " UNION ALL ".join([CLAIMABLE_IN] * len(unsure))
    parameters = tuple(
        value for position, place in enumerate(unsure) for value in (position, *place)
    )
    found = connection.exec_driver_sql(looks, parameters).scalars()
    filled = full.union([unsure[int(position)] for position in found])
    return [place for place in places if place in filled]


def _lock_all(
    connection: Connection, gates: Gates, slots: int, hints: ScanHints
) -> list[tuple[Place, Sequence[Locked]]]:
    strict = ScanHints(hints.aging_seconds)  # of this claim alone: from the head of the queue
    left = {queue: gates.allowance(queue, slots) for queue in gates.queues}
    found: list[tuple[Place, Sequence[Locked]]] = []
    filled = _filled(connection, gates.queues, hints.full_places())
    for place, aged in _scans(filled, hints.aging_seconds):
        queue = place[0]
        scan = Scan(place, aged=aged, now=gates.now, limit=min(slots, left[queue]))
        rows = _lock(connection, scan, strict if queue in gates.allowances else hints)
        left[queue] -= len(rows)
        slots -= len(rows)
        found.append((place, rows))
    return found


def _counted(found: Sequence[tuple[Place, Sequence[Locked]]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for (queue, _), rows in found:
        counts[queue] += len(rows)
    return counts


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
    end = (rows[-1].available_at, rows[-1].id) if rows else None
    hints.note(scan.place, end, aged=scan.aged, full=len(rows) == scan.limit)
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
    connection: Connection,
    found: Sequence[tuple[Place, Sequence[Locked]]],
    ids: str,
    now: datetime,
) -> Iterator[Claimed]:
    payloads: dict[int, str] = {}
    tags: dict[int, list[str]] = {}
    for task_id, payload, tag in connection.exec_driver_sql(DETAILS.format(ids=ids)):
        if tag is None:
            payloads[task_id] = payload
        else:
            tags.setdefault(task_id, []).append(tag)
    for (queue, _), rows in found:
        for row in rows:
            # Unpacked at once, and filled in by position: names would cost as much as the rest.
            task_id, fence, title, kind, account, timeout, retries, due, trace, saved, *more = row
            yield Claimed(
                task_id,
                fence + 1,
                title,
                kind,
                queue,
                account,
                timeout,
                retries + 1,
                due,
                now,
                trace,
                payloads.get(task_id),
                tuple(sorted(tags[task_id])) if task_id in tags else (),
                saved,
                *more,
            )
