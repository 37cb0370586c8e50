"""Queues, their counts, and the settings that hold for all of them."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Double,
    Integer,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from schema.limits import SETTING_REASON_LENGTH
from schema.models.metadata import (
    UTC_NOW,
    Model,
    Moment,
    Name,
    created_at,
    one_of,
    table_options,
    updated_at,
)
from schema.states import Priority, Status

CHECKS = {
    "name_not_empty": "name <> ''",
    "limits_positive": "max_concurrency >= 0 AND rate_limit >= 1 AND rate_period_seconds >= 1",
    "timeout_range": "timeout_seconds BETWEEN 1 AND 604800",
    "retry_limit_range": "retry_limit BETWEEN 0 AND 100",
    "paused_has_moment": "is_paused = (paused_at IS NOT NULL)",
    "retention_not_negative": "retention_days >= 0 AND retention_failed_days >= 0",
}


class Queue(Model):
    """A queue; comes to be with its first task."""

    __tablename__ = "queues"
    __table_args__ = (
        *(CheckConstraint(rule, name=name) for name, rule in CHECKS.items()),
        table_options("Queues and their limits"),
    )

    name: Mapped[str] = mapped_column(Name, primary_key=True, comment="Name of the queue")
    description: Mapped[str | None] = mapped_column(Text, comment="What it is for")
    max_concurrency: Mapped[int | None] = mapped_column(
        Integer, comment="Tasks in progress at once over all workers; NULL: no limit"
    )
    rate_limit: Mapped[int | None] = mapped_column(
        Integer, comment="Starts per period; NULL: no limit"
    )
    rate_period_seconds: Mapped[int] = mapped_column(
        Integer, server_default=text("1"), comment="Length of the period of rate_limit"
    )
    rate_tokens: Mapped[float | None] = mapped_column(
        Double, comment="Starts left in the bucket at rate_refilled_at"
    )
    rate_refilled_at: Mapped[datetime | None] = mapped_column(
        Moment, comment="When the bucket was last filled up (UTC)"
    )
    is_paused: Mapped[bool] = mapped_column(
        Boolean, server_default=text("0"), comment="1: nothing of it is claimed"
    )
    paused_reason: Mapped[str | None] = mapped_column(Text, comment="Why it is paused")
    paused_by: Mapped[str | None] = mapped_column(
        String(100), comment="Who paused it: operator, worker, or a user of the database"
    )
    paused_at: Mapped[datetime | None] = mapped_column(Moment, comment="Since when (UTC)")
    resume_at: Mapped[datetime | None] = mapped_column(
        Moment, comment="When it resumes by itself (UTC); NULL: when somebody resumes it"
    )
    timeout_seconds: Mapped[int | None] = mapped_column(
        Integer, comment="Default for its tasks; NULL: 300"
    )
    retry_limit: Mapped[int | None] = mapped_column(
        Integer, comment="Default for its tasks; NULL: 3"
    )
    retention_days: Mapped[int | None] = mapped_column(
        Integer, comment="Days that done tasks are kept; NULL: RETENTION_DAYS, 0: for ever"
    )
    retention_failed_days: Mapped[int | None] = mapped_column(
        Integer,
        comment="Days that failed and cancelled tasks are kept; NULL: RETENTION_FAILED_DAYS",
    )
    created_at: Mapped[datetime] = created_at()
    updated_at: Mapped[datetime] = updated_at()


class QueueCount(Model):
    """How many tasks there are, as the reaper counted them: what every display reads."""

    __tablename__ = "queue_counts"
    __table_args__ = (table_options("Counted tasks by queue, status and priority"),)

    queue: Mapped[str] = mapped_column(Name, primary_key=True, comment="Queue")
    status: Mapped[str] = mapped_column(one_of(Status), primary_key=True, comment="Status")
    priority: Mapped[str] = mapped_column(one_of(Priority), primary_key=True, comment="Priority")
    task_count: Mapped[int] = mapped_column(BigInteger, comment="Tasks")
    counted_at: Mapped[datetime] = mapped_column(
        Moment, server_default=UTC_NOW, comment="When they were counted (UTC)"
    )


class Setting(Model):
    """Something that holds for the whole system and survives restarts."""

    __tablename__ = "settings"
    __table_args__ = (
        table_options("What holds for the whole system, as that the dispatcher runs"),
    )

    name: Mapped[str] = mapped_column(Name, primary_key=True, comment="Name of the setting")
    value: Mapped[Any] = mapped_column(JSON, comment="Its value")
    reason: Mapped[str | None] = mapped_column(
        String(SETTING_REASON_LENGTH), comment="Why it was set so"
    )
    updated_at: Mapped[datetime] = updated_at()
