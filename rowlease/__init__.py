"""A client of Rowlease.

from rowlease import Client

with Client() as client:
    task = client.tasks.create(title="hello")
    print(client.tasks.wait(task.id).status)
"""

from rowlease.batches import (
    Batch,
    BatchReport,
    BatchSummary,
    FailedMove,
    PartialCreation,
    RefusedTask,
)
from rowlease.client import AsyncClient, Client
from rowlease.dispatcher import DispatcherStatus, RunningTask
from rowlease.errors import (
    ApiError,
    Conflict,
    ConnectionFailed,
    Fault,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    RowleaseError,
    SettingsError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    WaitTimeout,
)
from rowlease.files import StoredFile
from rowlease.following import Changed, Gone, News, Snapshot
from rowlease.overview import Alarm, Overview
from rowlease.queues import NewQueue, Queue, QueueChanges
from rowlease.schedules import (
    NewSchedule,
    ReorderedSchedule,
    Schedule,
    ScheduleChanges,
    ScheduleSummary,
)
from rowlease.tags import Tag
from rowlease.task_fields import NewTask, TaskChanges, TaskFilter
from rowlease.task_records import (
    Attempt,
    Event,
    Moment,
    Progress,
    ReorderedTask,
    Task,
    TaskStatus,
    TaskSummary,
)
from rowlease.workers import HeldTask, Worker

__all__ = [
    "Alarm",
    "ApiError",
    "AsyncClient",
    "Attempt",
    "Batch",
    "BatchReport",
    "BatchSummary",
    "Changed",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "DispatcherStatus",
    "Event",
    "FailedMove",
    "Fault",
    "Forbidden",
    "Gone",
    "HeldTask",
    "Invalid",
    "Moment",
    "NewQueue",
    "NewSchedule",
    "NewTask",
    "News",
    "NotFound",
    "Overview",
    "PartialCreation",
    "PreconditionFailed",
    "Progress",
    "Queue",
    "QueueChanges",
    "RefusedTask",
    "ReorderedSchedule",
    "ReorderedTask",
    "RowleaseError",
    "RunningTask",
    "Schedule",
    "ScheduleChanges",
    "ScheduleSummary",
    "SettingsError",
    "Snapshot",
    "StoredFile",
    "Tag",
    "Task",
    "TaskChanges",
    "TaskFilter",
    "TaskStatus",
    "TaskSummary",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "WaitTimeout",
    "Worker",
]
