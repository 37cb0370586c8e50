"""Tasks and what belongs to one: its payload and its tags."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CHAR,
    JSON,
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.mysql import TINYINT
from sqlalchemy.orm import Mapped, mapped_column

from schema.limits import ACCOUNT_LENGTH, KEY_LENGTH, TITLE_LENGTH, WORKER_ID_LENGTH
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
from schema.states import Priority, Stage, Status

CLAIM_INDEX = "ix_tasks_claim"
STATUS_INDEX = "ix_tasks_status_queue_id"
KEY_INDEX = "uq_tasks_live_unique_key"
TAG_INDEX = "ix_task_tags_tag_id_task_id"

CLAIMABLE = "CASE WHEN status IN ('to_do', 'retrying') THEN 1 END"
LIVE_UNIQUE_KEY = (
    "CASE WHEN status IN ('to_do', 'in_progress', 'paused', 'retrying')"
    " AND delete_requested_at IS NULL THEN unique_key END"
)

CHECKS = {
    "words": "status <> '' AND priority <> ''",
    "title_not_empty": "title <> ''",
    "in_progress_has_lease": "(status = 'in_progress') = (lease_expires_at IS NOT NULL)",
    "in_progress_has_worker": "(status = 'in_progress') = (worker_id IS NOT NULL)",
    "in_progress_was_claimed": "status <> 'in_progress' OR (fence > 0 AND started_at IS NOT NULL)",
    "done_is_completed": "(status = 'done') = (completed_at IS NOT NULL)",
    "finished_has_finished_at": (
        "(status IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL)"
    ),
    "to_do_has_no_retry": "status <> 'to_do' OR current_retry_count = 0",
    "retrying_has_retry": "status <> 'retrying' OR current_retry_count > 0",
    "stop_only_in_progress": "stop_requested_at IS NULL OR status = 'in_progress'",
    "delete_only_in_progress": "delete_requested_at IS NULL OR status = 'in_progress'",
    "stage_only_in_progress": "stage IS NULL OR status = 'in_progress'",
    "timeout_range": "timeout_seconds BETWEEN 1 AND 604800",
    "retry_limit_range": "retry_limit BETWEEN 0 AND 100",
    "counters_not_negative": (
        "current_retry_count >= 0 AND fence >= 0 AND crash_count >= 0"
        " AND snooze_count >= 0 AND lost_count >= 0"
    ),
    "progress_range": "progress BETWEEN 0 AND 100",
}


class Task(Model):
    """A task: one row from its creation to its end."""

    __tablename__ = "tasks"
    __table_args__ = (
        Index(CLAIM_INDEX, "claimable", "queue", "priority", "available_at", "id"),
        Index(STATUS_INDEX, "status", "queue", "id"),
        Index(None, "account_id", "id"),
        Index(None, "schedule_id", "id"),
        Index(None, "batch_id", "id"),
        UniqueConstraint("live_unique_key"),
        *(CheckConstraint(rule, name=name) for name, rule in CHECKS.items()),
        table_options("Tasks: what is to be done, is being done, and was done"),
    )

    id: Mapped[int] = auto_id("Number of the task")
    title: Mapped[str] = mapped_column(String(TITLE_LENGTH), comment="Short name")
    description: Mapped[str | None] = mapped_column(Text, comment="What is to be done, in words")
    status: Mapped[str] = mapped_column(
        one_of(Status),
        server_default=Status.TO_DO,
        comment="Where the task stands",
    )
    priority: Mapped[str] = mapped_column(
        one_of(Priority),
        server_default=Priority.MEDIUM,
        comment="高 is taken before 中, 中 before 低",
    )
    due_date: Mapped[datetime | None] = mapped_column(
        Moment, comment="When the client wants it done (UTC); informs, does not schedule"
    )
    timeout_seconds: Mapped[int] = mapped_column(
        Integer, server_default=text("300"), comment="Length of a lease: the time one attempt has"
    )
    retry_limit: Mapped[int] = mapped_column(
        Integer, server_default=text("3"), comment="How many retries may follow the first attempt"
    )
    current_retry_count: Mapped[int] = mapped_column(
        Integer, server_default=text("0"), comment="Retries counted so far"
    )
    created_at: Mapped[datetime] = created_at()
    updated_at: Mapped[datetime] = updated_at()
    completed_at: Mapped[datetime | None] = mapped_column(
        Moment, comment="When it succeeded (UTC); set if and only if done"
    )
    queue: Mapped[str] = mapped_column(
        Name, server_default="default", comment="Queue that it waits in"
    )
    task_type: Mapped[str] = mapped_column(
        Name, server_default="default", comment="Names the handler that runs it"
    )
    account_id: Mapped[str | None] = mapped_column(
        String(ACCOUNT_LENGTH), comment="Account that the client keeps it under"
    )
    available_at: Mapped[datetime] = mapped_column(
        Moment,
        server_default=text("(UTC_TIMESTAMP(6))"),
        comment="Due from this moment on (UTC); its place in the queue",
    )
    fence: Mapped[int] = mapped_column(
        BigInteger,
        server_default=text("0"),
        comment="Counts claims; a worker proves its lease by it",
    )
    run_fence: Mapped[int] = mapped_column(
        BigInteger,
        server_default=text("1"),
        comment="Fence of the first claim since the creation or the last start",
    )
    worker_id: Mapped[str | None] = mapped_column(
        String(WORKER_ID_LENGTH), comment="Worker that holds the lease"
    )
    lease_expires_at: Mapped[datetime | None] = mapped_column(
        Moment, comment="When the lease is over (UTC); set if and only if in_progress"
    )
    started_at: Mapped[datetime | None] = mapped_column(
        Moment, comment="When the last attempt began (UTC)"
    )
    finished_at: Mapped[datetime | None] = mapped_column(
        Moment, comment="When it became done, failed or cancelled (UTC)"
    )
    stage: Mapped[str | None] = mapped_column(
        one_of(Stage), comment="What the handler says of a remote system"
    )
    progress: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 2), comment="Percent done, as the handler reports it"
    )
    progress_message: Mapped[str | None] = mapped_column(
        String(500), comment="What the handler says beside the percentage"
    )
    checkpoint: Mapped[Any | None] = mapped_column(
        JSON(none_as_null=True), comment="What a handler saved for its next attempt"
    )
    checkpoint_fence: Mapped[int | None] = mapped_column(
        BigInteger, comment="Fence of the attempt that saved the checkpoint"
    )
    stop_requested_at: Mapped[datetime | None] = mapped_column(
        Moment, comment="When an operator asked the running attempt to stop (UTC)"
    )
    delete_requested_at: Mapped[datetime | None] = mapped_column(
        Moment, comment="When a client deleted it while it ran (UTC); the row goes with the attempt"
    )
    last_error: Mapped[str | None] = mapped_column(Text, comment="Message of the last error")
    error_class: Mapped[str | None] = mapped_column(
        String(255), comment="Class of the last error, to group by"
    )
    crash_count: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("0"), comment="Attempts that took their executor down"
    )
    snooze_count: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("0"), comment="Times the handler put it off"
    )
    lost_count: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("0"), comment="Attempts taken over from a dead worker"
    )
    unique_key: Mapped[str | None] = mapped_column(
        String(KEY_LENGTH), comment="At most one unfinished task has this key"
    )
    live_unique_key: Mapped[str | None] = mapped_column(
        String(KEY_LENGTH),
        Computed(LIVE_UNIQUE_KEY, persisted=True),
        comment="unique_key while the task is unfinished; generated",
    )
    schedule_id: Mapped[int | None] = mapped_column(BigInteger, comment="Schedule that created it")
    batch_id: Mapped[int | None] = mapped_column(BigInteger, comment="Batch that created it")
    callback_url: Mapped[str | None] = mapped_column(
        String(2048), comment="Where its end is announced"
    )
    callback_of: Mapped[int | None] = mapped_column(
        BigInteger, comment="Task whose end this one announces"
    )
    traceparent: Mapped[str | None] = mapped_column(
        CHAR(55), comment="W3C trace context of its creation"
    )
    workflow_name: Mapped[str | None] = mapped_column(
        String(255), comment="Name of the remote workflow"
    )
    node_count: Mapped[int | None] = mapped_column(
        Integer, comment="Nodes that the payload sets in the remote workflow"
    )
    version: Mapped[int] = mapped_column(
        BigInteger, server_default=text("1"), comment="Counts changes but progress: the ETag"
    )
    claimable: Mapped[int | None] = mapped_column(
        TINYINT,
        Computed(CLAIMABLE, persisted=True),
        comment="1 while a worker may claim it, else NULL; generated, leads the claim index",
    )


class TaskPayload(Model):
    """What a handler is given: apart from `tasks`, so that a move does not rewrite it."""

    __tablename__ = "task_payloads"
    __table_args__ = (table_options("Payloads of tasks that have one"),)

    task_id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, comment="Task"
    )
    payload: Mapped[Any] = mapped_column(JSON, nullable=False, comment="Input of the handler")


class Tag(Model):
    """A tag, created with the first task that has it."""

    __tablename__ = "tags"
    __table_args__ = (UniqueConstraint("name"), table_options("Tags"))

    id: Mapped[int] = auto_id("Number of the tag")
    name: Mapped[str] = mapped_column(Name, comment="Name of the tag")


class TaskTag(Model):
    """Which task has which tag."""

    __tablename__ = "task_tags"
    __table_args__ = (
        Index(TAG_INDEX, "tag_id", "task_id"),
        table_options("Which task has which tag"),
    )

    task_id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, comment="Task"
    )
    tag_id: Mapped[int] = mapped_column(
        ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, comment="Tag"
    )
