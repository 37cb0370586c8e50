"""The route that tells how everything stands."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from api.access import ClientRoute
from api.caching import cacheable
from api.database import DatabaseDependency
from api.documentation import operation_id, problems
from schema import overview, throughput
from schema.overview import MOST_ERRORS, STALE_SECONDS, AlarmCode, ErrorClass
from schema.overview import Overview as Standing
from schema.shown import OPTIONS
from schema.states import State
from schema.throughput import MOST_READ, MOST_TIMED, RECENT_SECONDS, Period, Slice
from schema.throughput import Durations as Timed

router = APIRouter(
    tags=["overview"], route_class=ClientRoute, generate_unique_id_function=operation_id
)


class Alarm(BaseModel):
    """Something that is wrong."""

    code: AlarmCode
    since: datetime | None
    until: datetime | None = Field(description="When a paused queue resumes by itself")
    queue: str | None
    schedule_id: int | None
    name: str | None = Field(description="Of the schedule")
    reason: str | None = Field(
        description="Why it was stopped or paused, or what holds up the purge"
    )


class Workforce(BaseModel):
    """Live workers."""

    alive: int = Field(description="They beat and claim")
    draining: int = Field(description="They beat and end what they run")
    stale: int = Field(description=f"Not heard of for {STALE_SECONDS:.0f} s, not called dead yet")
    slots: int = Field(description="Of those that are alive")


class Percentiles(BaseModel):
    """Seconds within which half of the attempts, and 95 of 100, were through."""

    p50: float | None
    p95: float | None


class Durations(BaseModel):
    """How long attempts of the period waited from when they were due, and ran."""

    waiting: Percentiles
    running: Percentiles
    attempts: int = Field(
        description=f"So many were looked at: up to {MOST_TIMED} in each slice of the period"
    )


class Throughput(BaseModel):
    """Attempts that ended from a moment on, until the next one of the list."""

    at: datetime
    succeeded: int
    failed: int = Field(description="Those too that timed out, were lost, or crashed")
    is_estimate: bool = Field(
        description=f"More than {MOST_READ} ended: how many is counted, or where they are very many"
        f" estimated; how many of them failed follows from the first {MOST_READ}"
    )


class Errors(BaseModel):
    """Failed tasks and such that are tried again, with one class of error."""

    error_class: str | None
    tasks: int
    newest_id: int


class Overview(BaseModel):
    """How everything stands. All times are UTC."""

    at: datetime
    alarms: list[Alarm] = Field(description="What is wrong, the worst first")
    states: dict[State, int] | None = Field(
        description="Tasks in each state, as counted at counted_at; null: not counted yet"
    )
    counted_at: datetime | None
    oldest_age_seconds: float | None = Field(
        description="How long the oldest of all due tasks has been due; null: none is due"
    )
    workers: Workforce
    period: Period
    throughput: list[Throughput] = Field(description="The oldest first")
    durations: Durations
    errors: list[Errors] = Field(
        description=f"Among the newest {MOST_ERRORS} tasks with errors, the most frequent first"
    )
    ended_per_minute: dict[str, float] = Field(
        description=f"Attempts that end in a minute, by queue, over the last {RECENT_SECONDS} s"
    )


class OverviewQuery(BaseModel):
    """Parameters."""

    model_config = ConfigDict(extra="forbid")

    period: Period = Field(Period.HOUR, description="How far throughput and durations look back")


@dataclass(frozen=True, slots=True)
class Seen:
    """All that an overview tells."""

    standing: Standing
    slices: list[Slice]
    durations: Timed
    errors: list[ErrorClass]
    rates: Mapping[str, float]


@router.get("/overview", response_model=Overview, responses=problems(422, 503))
@cacheable
async def get_overview(
    query: Annotated[OverviewQuery, Query()], database: DatabaseDependency
) -> Response:
    """Tell how everything stands, what is wrong, and what the last minutes to days were like."""
    seen = await database.read(lambda connection: look(connection, query.period))
    content = orjson.dumps(_shown(query.period, seen), option=OPTIONS)
    return Response(content, media_type="application/json")


def look(connection: Connection, period: Period) -> Seen:
    """Return what an overview of a period tells."""
    standing = overview.look(connection)
    return Seen(
        standing,
        throughput.throughput(connection, period, standing.now),
        throughput.durations(connection, period, standing.now),
        overview.error_classes(connection),
        throughput.ended_per_minute(connection),
    )


def _shown(period: Period, seen: Seen) -> dict[str, Any]:
    standing = seen.standing
    states = standing.by_state
    workers = {name: getattr(standing.workforce, name) for name in Workforce.model_fields}
    errors = [
        {"error_class": each.name, "tasks": each.tasks, "newest_id": each.newest_id}
        for each in seen.errors
    ]
    return {
        "at": standing.now,
        "alarms": [asdict(alarm) for alarm in standing.alarms],
        "states": None if states is None else {str(each): states[each] for each in states},
        "counted_at": standing.counted_at,
        "oldest_age_seconds": standing.oldest_seconds,
        "workers": workers,
        "period": period,
        "throughput": [asdict(each) for each in seen.slices],
        "durations": asdict(seen.durations),
        "errors": errors,
        "ended_per_minute": {queue: round(rate, 2) for queue, rate in seen.rates.items()},
    }
