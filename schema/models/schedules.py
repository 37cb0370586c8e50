"""Recurring schedules: a template of a task, and when to create one from it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Computed,
    Date,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.mysql import TINYINT
from sqlalchemy.orm import Mapped, mapped_column

from schema.limits import ACCOUNT_LENGTH, TITLE_LENGTH
from schema.models.metadata import (
    Model,
    Moment,
    Name,
    auto_id,
    created_at,
    one_of,
    table_options,
    updated_at,
)
from schema.states import Priority

DUE_INDEX = "ix_schedules_status_next_execution_time"


class ScheduleStatus(StrEnum):
    """How a schedule stands.

    - active: it runs when it is due
    - paused: it does not run until it is resumed
    - completed: its rounds or its days are over
    """

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"


class Overlap(StrEnum):
    """What becomes of a run while the last task is not finished.

    - skip: it makes no task
    - queue: it makes another task
    - replace: its task takes the place of the last, which is stopped
    """

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"


class Misfire(StrEnum):
    """What becomes of runs that fell due while nobody ran.

    - once: one is made up for
    - all: each is made up for
    - skip: none is
    """

    ONCE = "once"
    ALL = "all"
    SKIP = "skip"


CHECKS = {
    "words": "status <> '' AND priority <> '' AND overlap <> '' AND misfire <> ''",
    "interval_or_cron": "(interval_seconds IS NULL) <> (cron IS NULL)",
    "interval_positive": "interval_seconds >= 1",
    "max_rounds_positive": "max_rounds >= 1",
    "round_not_negative": "round_num >= 0",
    "timeout_range": "timeout_seconds BETWEEN 1 AND 604800",
    "retry_limit_range": "retry_limit BETWEEN 0 AND 100",
    "active_has_next": "(status = 'active') = (next_execution_time IS NOT NULL)",
}


class Schedule(Model):
    """A schedule and the task that it makes whenever it fires."""

    __tablename__ = "schedules"
    __table_args__ = (
        Index(DUE_INDEX, "status", "next_execution_time"),
        Index(None, "account_id", "id"),
        UniqueConstraint("live", "task_type", "account_id"),
        *(CheckConstraint(rule, name=name) for name, rule in CHECKS.items()),
        table_options("Recurring schedules and the template of their tasks"),
    )

    id: Mapped[int] = auto_id("Number of the schedule")
    name: Mapped[str] = mapped_column(String(TITLE_LENGTH), comment="Name of the schedule")
    status: Mapped[str] = mapped_column(
        one_of(ScheduleStatus),
        server_default=ScheduleStatus.ACTIVE,
        comment="active, paused or completed",
    )
    title: Mapped[str] = mapped_column(
        String(TITLE_LENGTH), comment="Title of its tasks, with placeholders"
    )
    description: Mapped[str | None] = mapped_column(Text, comment="Description of its tasks")
    task_type: Mapped[str] = mapped_column(
        Name, server_default="default", comment="Task type of its tasks"
    )
    queue: Mapped[str] = mapped_column(Name, server_default="default", comment="Their queue")
    priority: Mapped[str] = mapped_column(
        one_of(Priority),
        server_default=Priority.MEDIUM,
        comment="Their priority",
    )
    payload: Mapped[Any | None] = mapped_column(JSON(none_as_null=True), comment="Their payload")
    tags: Mapped[Any] = mapped_column(JSON, comment="Their tags, an array of names")
    timeout_seconds: Mapped[int | None] = mapped_column(
        Integer, comment="Their timeout_seconds; NULL: the queue's"
    )
    retry_limit: Mapped[int | None] = mapped_column(
        Integer, comment="Their retry_limit; NULL: the queue's"
    )
    account_id: Mapped[str | None] = mapped_column(
        String(ACCOUNT_LENGTH), comment="Their account_id"
    )
    callback_url: Mapped[str | None] = mapped_column(String(2048), comment="Their callback_url")
    interval_seconds: Mapped[int | None] = mapped_column(
        Integer, comment="Seconds from one run to the next; NULL: cron"
    )
    cron: Mapped[str | None] = mapped_column(
        String(255), comment="Cron expression; NULL: interval_seconds"
    )
    timezone: Mapped[str] = mapped_column(
        String(64), comment="IANA time zone of cron, windows and last day"
    )
    valid_time_range: Mapped[Any | None] = mapped_column(
        JSON(none_as_null=True), comment="Windows of the day in which it fires; NULL: all day"
    )
    start_at: Mapped[datetime | None] = mapped_column(Moment, comment="Not before (UTC)")
    task_end_time: Mapped[date | None] = mapped_column(
        Date, comment="Completed from the start of this day on, in its time zone"
    )
    max_rounds: Mapped[int | None] = mapped_column(
        Integer, comment="Completed after so many rounds; NULL: no limit"
    )
    round_num: Mapped[int] = mapped_column(
        Integer, server_default=text("0"), comment="Rounds so far"
    )
    overlap: Mapped[str] = mapped_column(
        one_of(Overlap),
        server_default=Overlap.SKIP,
        comment="When its last task is not finished: skip, queue another, or replace it",
    )
    misfire: Mapped[str] = mapped_column(
        one_of(Misfire),
        server_default=Misfire.ONCE,
        comment="What fell due while nobody ran: run once, run all, or skip",
    )
    is_unique: Mapped[bool] = mapped_column(
        Boolean, server_default=text("1"), comment="1: the only live one of its type and account"
    )
    live: Mapped[int | None] = mapped_column(
        TINYINT,
        Computed("CASE WHEN is_unique = 1 AND status <> 'completed' THEN 1 END", persisted=True),
        comment="1 while is_unique and not completed, else NULL; generated",
    )
    last_execution_time: Mapped[datetime | None] = mapped_column(
        Moment, comment="When it last fired (UTC)"
    )
    next_execution_time: Mapped[datetime | None] = mapped_column(
        Moment, comment="When it fires next (UTC); set if and only if active"
    )
    last_task_id: Mapped[int | None] = mapped_column(
        BigInteger, comment="Task that it created last"
    )
    version: Mapped[int] = mapped_column(
        BigInteger, server_default=text("1"), comment="Counts changes: the ETag"
    )
    created_at: Mapped[datetime] = created_at()
    updated_at: Mapped[datetime] = updated_at()
