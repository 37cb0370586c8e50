"""A schedule as JSON."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import orjson
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.task_json import described_by
from schema.models.schedules import Misfire, Overlap, Schedule, ScheduleStatus
from schema.schedule_moves import allowed_actions
from schema.schedules import ScheduleRow
from schema.shown import OPTIONS
from schema.states import Priority


class ScheduleSummary(BaseModel):
    """A schedule in a list. All times are UTC."""

    model_config = described_by(Schedule)

    id: int
    name: str
    status: ScheduleStatus
    title: str
    description: str | None
    task_type: str
    queue: str
    priority: Priority
    tags: list[str]
    timeout_seconds: int | None
    retry_limit: int | None
    account_id: str | None
    callback_url: str | None
    interval: int | None = Field(description="Seconds from one run to the next; null: cron")
    cron: str | None
    timezone: str
    valid_time_range: list[Any] | None
    start_at: datetime | None
    task_end_time: date | None
    max_rounds: int | None
    round_num: int
    overlap: Overlap
    misfire: Misfire
    unique: bool = Field(description="Whether it is the only live one of its type and account")
    last_execution_time: datetime | None
    next_execution_time: datetime | None
    last_task_id: int | None
    version: int
    created_at: datetime
    updated_at: datetime
    allowed_actions: list[str]


class ScheduleDetail(ScheduleSummary):
    """A single schedule, with what lists leave out."""

    payload: Any


class ReorderedSchedule(ScheduleDetail):
    """The schedule, and when it runs next now."""

    new_next_execution_time: datetime


_NAMES = tuple(ScheduleSummary.model_fields)


def summary(row: ScheduleRow) -> dict[str, Any]:
    """Return a schedule as lists show it."""
    shown = row | {
        "interval": row["interval_seconds"],
        "unique": bool(row["is_unique"]),
        "allowed_actions": allowed_actions(row["status"]),
    }
    return {name: shown[name] for name in _NAMES}


class ScheduleResponse(Response):
    """One schedule."""

    def __init__(
        self,
        row: ScheduleRow,
        status_code: int = 200,
        headers: dict[str, str] | None = None,
        *,
        more: dict[str, Any] | None = None,
    ) -> None:
        shown = summary(row) | {"payload": row["payload"]} | (more or {})
        content = orjson.dumps(shown, option=OPTIONS)
        super().__init__(content, status_code, headers, "application/json")


class SchedulesResponse(Response):
    """A bare array of schedules."""

    def __init__(self, rows: Iterable[ScheduleRow], headers: dict[str, str]) -> None:
        content = orjson.dumps([summary(row) for row in rows], option=OPTIONS)
        super().__init__(content, 200, headers, "application/json")
