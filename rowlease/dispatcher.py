"""The switch over everything that is claimed: `client.dispatcher`."""

from dataclasses import dataclass
from datetime import datetime

from rowlease.operations import M, Operation, Resource
from rowlease.reading import Record
from rowlease.sending import given


@dataclass(frozen=True, kw_only=True)
class RunningTask(Record):
    """A task in progress."""

    task_id: int
    account_id: str | None
    started_at: datetime


@dataclass(frozen=True, kw_only=True)
class DispatcherStatus(Record):
    """Whether anything is claimed, and how many tasks there are."""

    is_running: bool
    reason: str | None
    since: datetime | None
    total_tasks: int
    pending_tasks: int
    running_tasks: int
    paused_tasks: int
    completed_tasks: int
    error_tasks: int
    cancelled_tasks: int
    counted_at: datetime | None
    current_running_task: RunningTask | None
    current_running_tasks: tuple[RunningTask, ...]


class Dispatcher(Resource[M]):
    """Whether workers may claim."""

    @Operation
    async def status(self) -> DispatcherStatus:
        """Return whether the dispatcher runs, and how many tasks there are."""
        return await self._connection.get(DispatcherStatus, "/dispatcher/status")

    @Operation
    async def start(self, *, reason: str | None = None) -> DispatcherStatus:
        """Let workers claim again."""
        body = given(reason=reason)
        return await self._connection.post(DispatcherStatus, "/dispatcher/start", body)

    @Operation
    async def stop(self, *, reason: str | None = None) -> DispatcherStatus:
        """Let nothing more be claimed anywhere until it is started again; what runs may finish."""
        body = given(reason=reason)
        return await self._connection.post(DispatcherStatus, "/dispatcher/stop", body)
