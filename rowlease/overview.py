"""How everything stands: `client.overview`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rowlease.operations import M, Operation, Resource
from rowlease.reading import Record
from rowlease.task_records import State

Period = Literal["15m", "1h", "24h", "7d"]
AlarmCode = Literal[
    "dispatcher_stopped",
    "reaper_silent",
    "no_worker",
    "purge_held_up",
    "queue_paused",
    "schedule_overdue",
]


@dataclass(frozen=True, kw_only=True)
class Alarm(Record):
    """Something that is wrong, and what it is about; `until`: a paused queue resumes by itself."""

    code: AlarmCode
    since: datetime | None
    until: datetime | None
    queue: str | None
    schedule_id: int | None
    name: str | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Workforce(Record):
    """How many workers live, and the slots of those that are alive."""

    alive: int
    draining: int
    stale: int
    slots: int


@dataclass(frozen=True, kw_only=True)
class Percentiles(Record):
    """Seconds within which half of the attempts, and 95 of 100, were through."""

    p50: float | None
    p95: float | None


@dataclass(frozen=True, kw_only=True)
class Durations(Record):
    """How long attempts of the period waited and ran, and how many were looked at."""

    waiting: Percentiles
    running: Percentiles
    attempts: int


@dataclass(frozen=True, kw_only=True)
class Slice(Record):
    """Attempts that ended from a moment on, until the next slice."""

    at: datetime
    succeeded: int
    failed: int
    is_estimate: bool


@dataclass(frozen=True, kw_only=True)
class ErrorClass(Record):
    """How many of the newest tasks with errors have one of a class."""

    error_class: str | None
    tasks: int
    newest_id: int


@dataclass(frozen=True, kw_only=True)
class Overview(Record):
    """How everything stands; `states` is None until tasks were counted for the first time."""

    at: datetime
    alarms: tuple[Alarm, ...]
    states: Mapping[State, int] | None
    counted_at: datetime | None
    oldest_age_seconds: float | None
    workers: Workforce
    period: Period
    throughput: tuple[Slice, ...]
    durations: Durations
    errors: tuple[ErrorClass, ...]
    ended_per_minute: Mapping[str, float]


class Overviews(Resource[M]):
    """What is wrong, and what the last minutes to days were like."""

    @Operation
    async def get(self, *, period: Period = "1h") -> Overview:
        """Return how everything stands; throughput and durations look back over the period."""
        return await self._connection.get(Overview, "/overview", {"period": period})
