"""Alerts: what somebody has to be told who does not look, and what was told already.

Any number of reapers may look. They share one row of `settings`: what is seen and since when, what
was told and when, and which reapers there are. So each thing is told once, by one of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import Connection

from schema import counts, overview, pressure
from schema.documents import decode
from schema.overview import SILENT_SECONDS

FAILURE_SECONDS = 300
"""Failures are those of the last five minutes."""

FEWEST_FAILED = 10
"""Fewer failures than that are no rate."""

MOST_ATTEMPTS = 5_000
"""Attempts that are looked at: where more ended, the newest."""

NO_WORKER_SECONDS = 30.0
"""For how long no worker is seen before it is told: deploys replace them."""

MOST_ALERTS = 100

_ROW = "SELECT value, UTC_TIMESTAMP(6) AS now FROM settings WHERE name = 'alerts'"
_LOCK = f"{_ROW} FOR UPDATE SKIP LOCKED"
_MAKE = "INSERT IGNORE INTO settings (name, value) VALUES ('alerts', '{}')"
_KEEP = "UPDATE settings SET value = %s WHERE name = 'alerts'"
_ENDED = f"""SELECT COALESCE(error_class, outcome) AS error, COUNT(*) AS ended,
    SUM(outcome IN ('failed', 'timed_out', 'lost', 'crashed')) AS failed
FROM (SELECT error_class, outcome FROM task_attempts FORCE INDEX (ix_task_attempts_ended_at)
    WHERE ended_at > UTC_TIMESTAMP(6) - INTERVAL {FAILURE_SECONDS} SECOND
    ORDER BY ended_at DESC LIMIT {MOST_ATTEMPTS}) AS recent
GROUP BY error"""


class AlertCode(StrEnum):
    """What is told."""

    FAILURES = "failures"
    WAITING = "waiting"
    NO_WORKER = "no_worker"
    REAPER_SILENT = "reaper_silent"
    SNAPSHOT = "snapshot"


_HOLD_SECONDS = {AlertCode.NO_WORKER: NO_WORKER_SECONDS}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on something is told.

    `failure_rate` is a share of the attempts; `waiting_seconds` the age of the oldest due task of a
    queue that is open; `snapshot_seconds` that of the oldest transaction. A thing that lasts is
    told again after `repeat_seconds`.
    """

    failure_rate: float
    waiting_seconds: float
    snapshot_seconds: float
    repeat_seconds: float


@dataclass(frozen=True, slots=True)
class Alert:
    """Something to be told; `values` are for its words. Where `is_over`, it was told before."""

    code: AlertCode
    queue: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    is_over: bool = False

    @property
    def key(self) -> str:
        """What tells it from others."""
        return f"{self.code}:{self.queue or ''}"


@dataclass(slots=True)
class Memory:
    """What reapers know in common: moments (naive UTC) by the keys of alerts, and by reaper."""

    seen: dict[str, datetime] = field(default_factory=dict)
    told: dict[str, datetime] = field(default_factory=dict)
    reapers: dict[str, datetime] = field(default_factory=dict)

    def beat(self, reaper: str, now: datetime) -> list[Alert]:
        """Note that a reaper works; return the others that are silent, which are forgotten.

        One that comes from an outage itself waits for the others to come, too.
        """
        oldest = now - timedelta(seconds=SILENT_SECONDS)
        knows = self.reapers.get(reaper, datetime.min) > oldest  # noqa: DTZ901  # naive as all
        self.reapers[reaper] = now
        silent = {name: at for name, at in self.reapers.items() if at < oldest} if knows else {}
        for name in silent:
            del self.reapers[name]
        return [
            Alert(AlertCode.REAPER_SILENT, values={"name": name, "since": at})
            for name, at in sorted(silent.items())
        ]

    def news(self, found: Sequence[Alert], now: datetime, repeat_seconds: float) -> list[Alert]:
        """Note what is found now; return what of it is to be told, and what is over."""
        repeat = timedelta(seconds=repeat_seconds)
        news = []
        for each in found:
            first = self.seen.setdefault(each.key, now)
            hold = timedelta(seconds=_HOLD_SECONDS.get(each.code, 0))
            last = self.told.get(each.key)
            if now - first >= hold and (last is None or now - last >= repeat):
                self.told[each.key] = now
                news.append(each)
        for key in sorted(self.seen.keys() - {each.key for each in found}):
            first = self.seen.pop(key)
            if self.told.get(key, datetime.min) >= first:  # noqa: DTZ901  # naive as all
                code, _, queue = key.partition(":")
                news.append(Alert(AlertCode(code), queue or None, is_over=True))
        self.told = {
            key: at for key, at in self.told.items() if key in self.seen or now - at < repeat
        }
        return news


def look(connection: Connection, reaper: str, limits: Thresholds) -> list[Alert]:
    """Return what this reaper is to tell now; nothing while another one looks."""
    if connection.exec_driver_sql(_ROW).first() is None:
        connection.exec_driver_sql(_MAKE)
    row = connection.exec_driver_sql(_LOCK).one_or_none()
    if row is None:
        return []
    memory = _read(row.value)
    silent = memory.beat(reaper, row.now)
    found = list(find(connection, limits, row.now))[:MOST_ALERTS]
    news = silent + memory.news(found, row.now, limits.repeat_seconds)
    connection.exec_driver_sql(_KEEP, (_written(memory),))
    return news


def leave(connection: Connection, reaper: str) -> None:
    """Forget a reaper that ends in order."""
    row = connection.exec_driver_sql(f"{_ROW} FOR UPDATE").one_or_none()
    if row is not None:
        memory = _read(row.value)
        memory.reapers.pop(reaper, None)
        connection.exec_driver_sql(_KEEP, (_written(memory),))


def find(connection: Connection, limits: Thresholds, now: datetime) -> Iterator[Alert]:
    """Yield all that is wrong now."""
    age = counts.age_seconds(connection)
    if age is not None and age > SILENT_SECONDS:
        yield Alert(AlertCode.REAPER_SILENT, values={"since": now - timedelta(seconds=age)})
    queues = overview.standings(connection)
    for alarm in overview.unserved(queues, overview.workforce(connection)):
        yield Alert(AlertCode.NO_WORKER, alarm.queue, {"since": alarm.since})
    yield from _failures(connection, limits.failure_rate)
    held = pressure.noted(connection)
    if held and held.oldest and held.oldest.seconds >= limits.snapshot_seconds:
        yield Alert(AlertCode.SNAPSHOT, values={"who": str(held.oldest)})
    for each in queues:
        waited = (each.now - each.due_since).total_seconds()
        if waited >= limits.waiting_seconds and not each.is_closed:
            yield Alert(AlertCode.WAITING, each.name, {"seconds": waited})


def _failures(connection: Connection, rate: float) -> Iterator[Alert]:
    rows = connection.exec_driver_sql(_ENDED).all()
    ended, failed = sum(row.ended for row in rows), int(sum(row.failed for row in rows))
    if failed >= FEWEST_FAILED and failed >= rate * ended:
        worst = max(rows, key=lambda row: row.failed)
        values = {"failed": failed, "ended": ended, "times": int(worst.failed)}
        yield Alert(AlertCode.FAILURES, values={**values, "error": worst.error})


def _read(value: Any) -> Memory:
    kept = decode(value)
    moments = {
        name: {key: datetime.fromisoformat(at) for key, at in kept.get(name, {}).items()}
        for name in ("seen", "told", "reapers")
    }
    return Memory(**moments)


def _written(memory: Memory) -> str:
    kept = {"seen": memory.seen, "told": memory.told, "reapers": memory.reapers}
    return orjson.dumps(kept).decode()
