"""Recurring schedules: `client.schedules`."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypedDict, Unpack

from rowlease import answers
from rowlease.operations import Listing, M, Operation, Resource
from rowlease.reading import Record
from rowlease.task_fields import PriorityName, TaskListing, Time
from rowlease.task_records import Priority, Task, TaskSummary

ScheduleStatus = Literal["active", "paused", "completed"]
Overlap = Literal["skip", "queue", "replace"]
Misfire = Literal["once", "all", "skip"]


@dataclass(frozen=True, kw_only=True)
class ScheduleSummary(Record):
    """A schedule in a list: when it runs, and the fields of the tasks that it makes."""

    id: int
    name: str
    status: ScheduleStatus
    title: str
    description: str | None
    task_type: str
    queue: str
    priority: Priority
    tags: tuple[str, ...]
    timeout_seconds: int | None
    retry_limit: int | None
    account_id: str | None
    callback_url: str | None = None
    interval: int | None
    cron: str | None
    timezone: str
    valid_time_range: Sequence[Any] | None
    start_at: datetime | None
    task_end_time: date | None
    max_rounds: int | None
    round_num: int
    overlap: Overlap
    misfire: Misfire
    unique: bool
    last_execution_time: datetime | None
    next_execution_time: datetime | None
    last_task_id: int | None
    version: int
    created_at: datetime
    updated_at: datetime
    allowed_actions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Schedule(ScheduleSummary):
    """A single schedule, with the payload, which lists leave out."""

    payload: Any


@dataclass(frozen=True, kw_only=True)
class ReorderedSchedule(Schedule):
    """The schedule, and when it runs next now."""

    new_next_execution_time: datetime


class ScheduleChanges(TypedDict, total=False):
    """Fields of a schedule to change; those left out stay as they are.

    valid_time_range is one window of the day, [8, 22] or ["08:30", "12:00"], a list of them, or
    None for all day.
    """

    name: str
    title: str
    description: str | None
    task_type: str
    queue: str
    priority: PriorityName
    payload: Any
    tags: Sequence[str]
    timeout_seconds: int | None
    retry_limit: int | None
    account_id: str | None
    callback_url: str | None
    interval: int
    cron: str
    timezone: str
    valid_time_range: Sequence[Any] | None
    start_at: Time | None
    task_end_time: date | str | None
    max_rounds: int | None
    overlap: Overlap
    misfire: Misfire
    unique: bool


class NewSchedule(ScheduleChanges):
    """A schedule to be created; a name or a title is required, and interval or cron says when."""


class ScheduleListing(TypedDict, total=False):
    """Which schedules are listed; `limit` is how many come with one request."""

    status: ScheduleStatus | Sequence[ScheduleStatus]
    task_type: str | Sequence[str]
    queue: str | Sequence[str]
    account_id: str | Sequence[str]
    limit: int


class Schedules(Resource[M]):
    """What can be done with schedules."""

    @Listing
    def list(self, **filters: Unpack[ScheduleListing]) -> AsyncIterator[ScheduleSummary]:
        """Iterate over all schedules that match, newest first."""
        return self._connection.pages(ScheduleSummary, "/schedules", filters)

    @Operation
    async def get(self, schedule_id: int) -> Schedule:
        """Return a schedule; raises NotFound."""
        return await self._connection.get(Schedule, f"/schedules/{schedule_id}")

    @Operation
    async def create(self, **fields: Unpack[NewSchedule]) -> Schedule:
        """Create a schedule and return it."""
        return await self._connection.post(Schedule, "/schedules", fields)

    @Operation
    async def edit(self, schedule_id: int, **changes: Unpack[ScheduleChanges]) -> Schedule:
        """Change fields of a schedule; where its times change, so does its next run."""
        return await self._connection.patch(Schedule, f"/schedules/{schedule_id}", changes)

    @Operation
    async def delete(self, schedule_id: int) -> None:
        """Delete a schedule; the tasks that it made stay."""
        await self._connection.delete(f"/schedules/{schedule_id}")

    @Operation
    async def pause(self, schedule_id: int) -> Schedule:
        """Let a schedule not run until it is resumed; its task goes on."""
        return await self._connection.post(Schedule, f"/schedules/{schedule_id}/pause")

    @Operation
    async def resume(self, schedule_id: int) -> Schedule:
        """Let a schedule run again."""
        return await self._connection.post(Schedule, f"/schedules/{schedule_id}/resume")

    @Operation
    async def reorder(self, schedule_id: int, priority_offset: int) -> ReorderedSchedule:
        """Move the next run by so many seconds, negative is sooner, into its windows."""
        body = {"priority_offset": priority_offset}
        path = f"/schedules/{schedule_id}/reorder"
        return await self._connection.post(ReorderedSchedule, path, body)

    @Operation
    async def run(self, schedule_id: int) -> Task:
        """Make a task of a schedule now, and return it."""
        return await self._connection.post(Task, f"/schedules/{schedule_id}/run")

    @Operation
    async def next(self, schedule_id: int, count: int = 10) -> tuple[datetime, ...]:
        """Return when it runs next: nothing while it is paused."""
        path = f"/schedules/{schedule_id}/next"
        return answers.times(await self._connection.fetch(path, {"count": count}))

    @Listing
    def tasks(
        self, schedule_id: int, /, **filters: Unpack[TaskListing]
    ) -> AsyncIterator[TaskSummary]:
        """Iterate over the tasks that a schedule made, newest first."""
        return self._connection.pages(TaskSummary, f"/schedules/{schedule_id}/tasks", filters)
