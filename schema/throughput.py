"""What attempts tell of the last minutes, hours and days: how many ended, how, and how quickly.

Each figure reads a bounded number of attempts, by the index on `ended_at`: a period is cut into
slices, and of each slice the first few are read. Where a slice has more, they are counted in the
index, or where they are too many estimated by it; those that were read tell how they ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import accumulate

from sqlalchemy import Connection

from schema.states import AttemptOutcome
from schema.times import from_database, to_database

MOST_READ = 100
"""Attempts of a slice that are read to see how they ended."""

MOST_COUNTED = 100_000
"""Entries of the index that are counted in all; slices beyond that are estimated, the largest."""

MOST_TIMED = 20
"""Attempts of a slice that are read for percentiles."""

MOST_RECENT = 3_000
RECENT_SECONDS = 300
"""How far back rates of queues look: so many attempts, so long ago."""

FAILURES = (
    AttemptOutcome.FAILED,
    AttemptOutcome.TIMED_OUT,
    AttemptOutcome.LOST,
    AttemptOutcome.CRASHED,
)

_INDEX = "ix_task_attempts_ended_at"
_FAILURES = ", ".join(f"'{outcome}'" for outcome in FAILURES)


class Period(StrEnum):
    """How far back one looks.

    - 15m: 15 minutes, in slices of 15 seconds
    - 1h: an hour, in minutes
    - 24h: a day, in half hours
    - 7d: a week, in slices of three hours
    """

    QUARTER = "15m"
    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"


SLICES: Mapping[Period, tuple[int, int]] = {
    Period.QUARTER: (15, 60),
    Period.HOUR: (60, 60),
    Period.DAY: (1_800, 48),
    Period.WEEK: (10_800, 56),
}
"""The length of a slice in seconds, and how many there are."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Attempts that ended from a moment (naive UTC) on, until the next slice or now.

    `failed` also counts those that timed out, were lost, or crashed. What was cancelled, snoozed,
    held or released is in neither. `is_estimate`: there were more than MOST_READ.
    """

    at: datetime
    succeeded: int
    failed: int
    is_estimate: bool


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Seconds within which half of the attempts, and 95 of 100, were through; None: no attempt."""

    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Durations:
    """How long attempts waited from when they were due, and ran; and how many were looked at."""

    waiting: Percentiles
    running: Percentiles
    attempts: int


# Rows are looked up behind the LIMIT: MySQL fetches many at once, as a long range is worth it.
_PART = f"""(SELECT {{number}} AS slice, task_id, fence FROM task_attempts FORCE INDEX ({_INDEX})
WHERE ended_at >= %s AND ended_at < %s ORDER BY ended_at LIMIT {{most}})"""  # noqa: S608  # constants

_SAMPLED = """({parts}) AS sampled STRAIGHT_JOIN task_attempts
    ON task_attempts.task_id = sampled.task_id AND task_attempts.fence = sampled.fence"""

_COUNT = f"""SELECT slice, COUNT(*), SUM(outcome = 'succeeded'), SUM(outcome IN ({_FAILURES}))
FROM {_SAMPLED} GROUP BY slice"""  # noqa: S608  # constants

_WITHIN = "WHERE ended_at >= %s AND ended_at < %s"
_EXACT = f"(SELECT COUNT(*) FROM task_attempts FORCE INDEX ({_INDEX}) {_WITHIN})"  # noqa: S608

# Not the index by force: MySQL would then take an average of the table for the estimate.
_ESTIMATED = f"(SELECT 1 FROM task_attempts {_WITHIN})"  # noqa: S608

_TIMED = f"""SELECT COUNT(*),
    MIN(IF(waited_share >= 0.5, waited, NULL)), MIN(IF(waited_share >= 0.95, waited, NULL)),
    MIN(IF(ran_share >= 0.5, ran, NULL)), MIN(IF(ran_share >= 0.95, ran, NULL))
FROM (SELECT waited, ran, CUME_DIST() OVER (ORDER BY waited) AS waited_share,
        CUME_DIST() OVER (ORDER BY ran) AS ran_share
    FROM (SELECT GREATEST(TIMESTAMPDIFF(MICROSECOND, available_at, started_at), 0) / 1e6 AS waited,
            GREATEST(TIMESTAMPDIFF(MICROSECOND, started_at, ended_at), 0) / 1e6 AS ran
        FROM {_SAMPLED} WHERE outcome <> 'released') AS durations) AS placed"""  # noqa: S608  # constants

_RECENT = f"""SELECT tasks.queue, COUNT(*),
    TIMESTAMPDIFF(MICROSECOND, MIN(ended_at), UTC_TIMESTAMP(6)) / 1e6
FROM (SELECT task_id, ended_at FROM task_attempts FORCE INDEX ({_INDEX})
    WHERE ended_at >= UTC_TIMESTAMP(6) - INTERVAL {RECENT_SECONDS} SECOND
    ORDER BY ended_at DESC LIMIT {MOST_RECENT}) AS recent
LEFT JOIN tasks ON tasks.id = recent.task_id GROUP BY tasks.queue"""  # noqa: S608  # constants

Bounds = tuple[datetime, datetime]


def throughput(connection: Connection, period: Period, now: datetime) -> list[Slice]:
    """Return what ended in each slice of a period up to `now` (naive UTC), the oldest first.

    Reads at most MOST_READ attempts a slice, and counts some more in the index.
    """
    bounds = _bounds(period, now)
    rows = connection.exec_driver_sql(*_sampled(_COUNT, bounds, MOST_READ))
    read = {row[0]: (int(row[1]), int(row[2]), int(row[3])) for row in rows}
    full = [number for number, (count, _, _) in read.items() if count >= MOST_READ]
    counts = dict(zip(full, _counts(connection, [bounds[each] for each in full]), strict=True))
    slices = []
    for number, (at, _) in enumerate(bounds):
        count, succeeded, failed = read.get(number, (0, 0, 0))
        scale = max(counts.get(number, count), count) / (count or 1)
        slices.append(Slice(at, round(succeeded * scale), round(failed * scale), number in full))
    return slices


def durations(connection: Connection, period: Period, now: datetime) -> Durations:
    """Return how long attempts of a period up to `now` waited and ran.

    Of each slice at most MOST_TIMED are looked at. Those that were given back unrun do not count.
    """
    sampled = _sampled(_TIMED, _bounds(period, now), MOST_TIMED)
    count, *shares = connection.exec_driver_sql(*sampled).one()
    waited_half, waited_most, ran_half, ran_most = (
        None if each is None else float(each) for each in shares
    )
    return Durations(
        Percentiles(waited_half, waited_most), Percentiles(ran_half, ran_most), int(count)
    )


def ended_per_minute(connection: Connection) -> dict[str, float]:
    """Return how many attempts of each queue end in a minute, those of deleted tasks left out.

    As of the last RECENT_SECONDS, or of the last MOST_RECENT attempts where these are fewer.
    """
    rows = connection.exec_driver_sql(_RECENT).all()
    seconds = float(RECENT_SECONDS)
    if sum(row[1] for row in rows) >= MOST_RECENT:
        seconds = max(float(row[2]) for row in rows)
    return {row[0]: row[1] * 60 / max(seconds, 1) for row in rows if row[0] is not None}


def _bounds(period: Period, now: datetime) -> list[Bounds]:
    """Return where slices begin and end: at full ones of their length, the last one at `now`."""
    seconds, count = SLICES[period]
    last = int(from_database(now).timestamp()) // seconds * seconds
    ends = to_database(datetime.fromtimestamp(last + seconds, UTC)) or now
    step = timedelta(seconds=seconds)
    return [(ends - step * back, ends - step * (back - 1)) for back in range(count, 0, -1)]


def _sampled(text: str, bounds: Sequence[Bounds], most: int) -> tuple[str, tuple[datetime, ...]]:
    parts = (_PART.format(number=number, most=most) for number in range(len(bounds)))
    return text.format(parts=" UNION ALL ".join(parts)), _flat(bounds)


def _counts(connection: Connection, bounds: Sequence[Bounds]) -> list[int]:
    """Return how many attempts ended in each range, about so where they are very many.

    The estimate of both servers looks at the two ends of a range in the index. Beyond ten pages it
    is twice what they expect there to be, up to half of the table, by a rule of InnoDB.
    """
    if not bounds:
        return []
    statement = " UNION ALL ".join([_ESTIMATED] * len(bounds))
    plan = connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {statement}", _flat(bounds))
    estimates = [int(row["rows"]) for row in plan.mappings() if row["table"] == "task_attempts"]
    counts = [estimate // 2 for estimate in estimates]
    smallest = sorted(range(len(bounds)), key=estimates.__getitem__)
    reach = accumulate(estimates[each] for each in smallest)
    few = [each for each, entries in zip(smallest, reach, strict=True) if entries <= MOST_COUNTED]
    if few:
        statement = " UNION ALL ".join([_EXACT] * len(few))
        exact = connection.exec_driver_sql(statement, _flat([bounds[each] for each in few]))
        for number, count in zip(few, exact.scalars(), strict=True):
            counts[number] = count
    return counts


def _flat(bounds: Sequence[Bounds]) -> tuple[datetime, ...]:
    return tuple([moment for pair in bounds for moment in pair])
