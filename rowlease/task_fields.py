"""What is sent about tasks. A server may take more: what is given goes to it as it is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Required, TypedDict

from rowlease.task_records import State, Status

Time = datetime | str
"""A datetime with a time zone, or RFC 3339 as text."""

PriorityName = Literal["high", "medium", "low", "高", "中", "低"]
StateName = State | Literal["pending", "running", "paused", "completed", "error"]


class NewTask(TypedDict, total=False):
    """A task to be created; only `title` is required."""

    title: Required[str]
    description: str | None
    priority: PriorityName
    tags: Sequence[str]
    due_date: Time | None
    timeout_seconds: int | None
    retry_limit: int | None
    task_type: str
    queue: str
    payload: Any
    account_id: str | None
    available_at: Time | None
    hold: bool
    unique_key: str | None
    on_conflict: Literal["reject", "return"]
    callback_url: str | None


class TaskChanges(TypedDict, total=False):
    """Fields of a task to change; those left out stay as they are."""

    title: str
    description: str | None
    priority: PriorityName
    tags: Sequence[str]
    due_date: Time | None
    timeout_seconds: int
    retry_limit: int
    payload: Any
    account_id: str | None
    callback_url: str | None


class TaskFilter(TypedDict, total=False):
    """Which tasks: of several values any is meant, of several filters all.

    `q` is the number of a task, or what its title begins with.
    """

    status: Status | Sequence[Status]
    state: StateName | Sequence[StateName]
    priority: PriorityName | Sequence[PriorityName]
    tag: str | Sequence[str]
    tag_match: Literal["any", "all"]
    queue: str | Sequence[str]
    task_type: str | Sequence[str]
    account_id: str | Sequence[str]
    schedule_id: int | Sequence[int]
    batch_id: int | Sequence[int]
    callback_of: int | Sequence[int]
    error_class: str | Sequence[str]
    q: str
    created_after: Time
    created_before: Time
    overdue: bool


class TaskListing(TaskFilter, total=False):
    """Which tasks are listed; `limit` is how many come with one request."""

    limit: int


class Selection(TypedDict, total=False):
    """Which tasks are meant: up to 1,000 ids, or a filter. With `dry_run` they are only counted."""

    ids: Sequence[int]
    filter: TaskFilter
    dry_run: bool
    reason: str | None
