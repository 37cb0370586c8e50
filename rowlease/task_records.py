"""A task, and what happened to it, as the API answers. All times are UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from rowlease.reading import Record

Status = Literal["to_do", "in_progress", "done", "paused", "retrying", "failed", "cancelled"]
State = Literal["READY", "PENDING", "QUEUED", "RUNNING", "SUCCESS", "FAILED", "STOPPED"]
Priority = Literal["高", "中", "低"]
WaitsFor = Literal[
    "dispatcher",
    "worker",
    "worker_queue",
    "worker_type",
    "available_at",
    "paused_queue",
    "max_concurrency",
    "rate_limit",
    "turn",
]
AttemptOutcome = Literal[
    "succeeded",
    "failed",
    "timed_out",
    "lost",
    "crashed",
    "cancelled",
    "snoozed",
    "held",
    "released",
]


@dataclass(frozen=True, kw_only=True)
class Progress(Record):
    """How far a handler says it is."""

    percent: float
    message: str | None


@dataclass(frozen=True, kw_only=True)
class TaskSummary(Record):
    """A task in a list."""

    id: int
    title: str
    description: str | None
    status: Status
    state: State
    stopping: bool
    priority: Priority
    tags: tuple[str, ...]
    due_date: datetime | None
    timeout_seconds: int
    retry_limit: int
    current_retry_count: int
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    queue: str
    task_type: str
    account_id: str | None
    available_at: datetime
    worker_id: str | None
    fence: int
    lease_expires_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    stage: str | None
    progress: Progress | None
    last_error: str | None
    error_class: str | None
    crash_count: int
    unique_key: str | None
    schedule_id: int | None
    batch_id: int | None
    callback_url: str | None
    callback_of: int | None = None
    traceparent: str | None
    workflow_name: str | None
    node_count: int | None
    version: int
    allowed_actions: tuple[str, ...]

    @property
    def has_ended(self) -> bool:
        """Whether it is done, failed or cancelled."""
        return self.status in {"done", "failed", "cancelled"}


@dataclass(frozen=True, kw_only=True)
class Task(TaskSummary):
    """A single task, with what lists leave out."""

    payload: Any
    result: Any
    checkpoint: Any


@dataclass(frozen=True, kw_only=True)
class ReorderedTask(Task):
    """The task, and when it is due now."""

    new_next_execution_time: datetime


@dataclass(frozen=True, kw_only=True)
class TaskStatus(Record):
    """How a task stands, in few words."""

    id: int
    status: Status
    state: State
    stage: str | None
    stopping: bool
    waits_for: WaitsFor | None
    progress: Progress | None
    current_retry_count: int
    retry_limit: int
    last_error: str | None
    started_at: datetime | None
    finished_at: datetime | None
    version: int
    allowed_actions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WhyReason(Record):
    """One reason why a task is not running: in words, and what to do about it.

    `code` is one of WaitsFor where the task waits, else running, stopping, paused or finished.
    """

    code: str
    detail: str
    remedy: str
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Why(Record):
    """Why a task is not running, or who runs it; the first reason comes first."""

    task_id: int
    status: Status
    state: State
    reasons: tuple[WhyReason, ...]


@dataclass(frozen=True, kw_only=True)
class Attempt(Record):
    """One attempt that has ended."""

    task_id: int
    fence: int
    attempt: int
    worker_id: str
    available_at: datetime
    started_at: datetime
    ended_at: datetime
    outcome: AttemptOutcome
    error_class: str | None
    message: str | None
    traceback: str | None


@dataclass(frozen=True, kw_only=True)
class Event(Record):
    """Something that a person or the API did."""

    id: int
    task_id: int
    created_at: datetime
    actor: str
    verb: str
    from_status: Status | None
    to_status: Status | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Moment(Record):
    """One entry of a timeline: an attempt, by its end, or an event."""

    at: datetime
    kind: Literal["attempt", "event"]
    attempt: Attempt | None = None
    event: Event | None = None
