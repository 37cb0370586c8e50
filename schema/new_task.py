"""A task to be created, as a value."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from schema.states import Priority

OnConflict = Literal["reject", "return"]
"""What to do where another unfinished task has the same unique_key: refuse, or take that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to be created. None for timeout_seconds and retry_limit takes the queue's default.

    `hold` creates it paused. `available_at` lets it wait until then; None is now. `callback_url` is
    where its end is announced, `callback_of` the task whose end this one announces.
    """

    title: str
    description: str | None = None
    priority: Priority = Priority.MEDIUM
    tags: Sequence[str] = ()
    due_date: datetime | None = None
    timeout_seconds: int | None = None
    retry_limit: int | None = None
    task_type: str = "default"
    queue: str = "default"
    payload: Any = None
    account_id: str | None = None
    available_at: datetime | None = None
    hold: bool = False
    unique_key: str | None = None
    on_conflict: OnConflict = "reject"
    schedule_id: int | None = None
    traceparent: str | None = None
    callback_url: str | None = None
    callback_of: int | None = None
