"""What happened to tasks: attempts by workers, events by people."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index, Integer, String, Text
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.orm import Mapped, mapped_column

from schema.limits import WORKER_ID_LENGTH
from schema.models.metadata import (
    UTC_NOW,
    Model,
    Moment,
    auto_id,
    one_of,
    table_options,
)
from schema.states import AttemptOutcome, Status


class TaskAttempt(Model):
    """One attempt, written when it ended. Append-only: the key lets no claim end twice."""

    __tablename__ = "task_attempts"
    __table_args__ = (
        Index(None, "ended_at"),
        CheckConstraint("outcome <> ''", name="words"),
        table_options("Ended attempts, one row for each claim that was started"),
    )

    task_id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, comment="Task"
    )
    fence: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, comment="Fence of the claim"
    )
    attempt: Mapped[int] = mapped_column(
        Integer, comment="1 for the first; stays when the attempt before was not counted"
    )
    worker_id: Mapped[str] = mapped_column(
        String(WORKER_ID_LENGTH), comment="Worker that held the lease"
    )
    available_at: Mapped[datetime] = mapped_column(Moment, comment="Since when it had waited (UTC)")
    started_at: Mapped[datetime] = mapped_column(Moment, comment="When it was claimed (UTC)")
    ended_at: Mapped[datetime] = mapped_column(Moment, comment="When it ended (UTC)")
    outcome: Mapped[str] = mapped_column(one_of(AttemptOutcome), comment="How it ended")
    error_class: Mapped[str | None] = mapped_column(String(255), comment="Class of the error")
    message: Mapped[str | None] = mapped_column(Text, comment="Message of the error or the reason")
    traceback: Mapped[str | None] = mapped_column(MEDIUMTEXT, comment="Traceback of the error")
    result: Mapped[Any | None] = mapped_column(
        JSON(none_as_null=True), comment="What the handler returned"
    )


class TaskEvent(Model):
    """Something that a person or the API did to a task."""

    __tablename__ = "task_events"
    __table_args__ = (
        Index(None, "task_id", "id"),
        Index(None, "created_at"),
        table_options("What people and the API did to tasks"),
    )

    id: Mapped[int] = auto_id("Number of the event")
    task_id: Mapped[int] = mapped_column(BigInteger, comment="Task")
    created_at: Mapped[datetime] = mapped_column(
        Moment, server_default=UTC_NOW, comment="When it was done (UTC)"
    )
    actor: Mapped[str] = mapped_column(String(100), comment="Who did it")
    verb: Mapped[str] = mapped_column(String(32), comment="What was done")
    from_status: Mapped[str | None] = mapped_column(one_of(Status), comment="Status before")
    to_status: Mapped[str | None] = mapped_column(
        one_of(Status), comment="Status after; NULL when the row went"
    )
    reason: Mapped[str | None] = mapped_column(Text, comment="Why, in the person's words")
