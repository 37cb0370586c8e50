"""Create the tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision: str = "0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column(
            "id", sa.BigInteger(), autoincrement=True, nullable=False, comment="Number of the batch"
        ),
        sa.Column(
            "verb", sa.String(length=32), nullable=False, comment="What is done to each task"
        ),
        sa.Column(
            "status",
            mysql.ENUM("running", "completed", "failed"),
            server_default="running",
            nullable=False,
            comment="running, completed or failed",
        ),
        sa.Column(
            "filter",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="Which tasks, in the words of the list's filters",
        ),
        sa.Column("actor", sa.String(length=100), nullable=False, comment="Who asked for it"),
        sa.Column("reason", sa.Text(), nullable=True, comment="Why, in the person's words"),
        sa.Column(
            "requested",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Tasks that matched so far",
        ),
        sa.Column(
            "succeeded",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Tasks that the verb changed so far",
        ),
        sa.Column(
            "failures",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="Tasks that refused it, and why",
        ),
        sa.Column(
            "last_task_id", sa.BigInteger(), nullable=True, comment="Where the next page goes on"
        ),
        sa.Column(
            "created_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("(UTC_TIMESTAMP(6))"),
            nullable=False,
            comment="When the row was created (UTC)",
        ),
        sa.Column(
            "updated_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"),
            nullable=False,
            comment="When the row was last changed; UTC, as the writing session's time zone is",
        ),
        sa.Column(
            "finished_at", mysql.DATETIME(fsp=6), nullable=True, comment="When it ended (UTC)"
        ),
        sa.CheckConstraint(
            "(status = 'running') = (finished_at IS NULL)", name=op.f("ck_batches_finished")
        ),
        sa.CheckConstraint("status <> ''", name=op.f("ck_batches_words")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        comment="Batches of tasks, and verbs over many tasks with their reports",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(op.f("ix_batches_status_id"), "batches", ["status", "id"], unique=False)
    op.create_table(
        "files",
        sa.Column(
            "id", sa.BigInteger(), autoincrement=True, nullable=False, comment="Number of the file"
        ),
        sa.Column(
            "sha256",
            sa.CHAR(length=64),
            nullable=False,
            comment="SHA-256 of the bytes, hexadecimal",
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Length"),
        sa.Column(
            "name", sa.String(length=255), nullable=False, comment="Name it was uploaded under"
        ),
        sa.Column("content_type", sa.String(length=255), nullable=False, comment="Media type"),
        sa.Column(
            "created_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("(UTC_TIMESTAMP(6))"),
            nullable=False,
            comment="When the row was created (UTC)",
        ),
        sa.Column(
            "last_used_at",
            mysql.DATETIME(fsp=6),
            nullable=True,
            comment="When it was last uploaded, or a task began to refer to it (UTC)",
        ),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_files_size_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
        sa.UniqueConstraint("sha256", name=op.f("uq_files_sha256")),
        comment="Uploaded and downloaded files",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(op.f("ix_files_last_used_at"), "files", ["last_used_at"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(length=255), nullable=False, comment="The client's key"),
        sa.Column(
            "principal",
            sa.String(length=64),
            nullable=False,
            comment="Who sent it; keys of others do not collide",
        ),
        sa.Column(
            "fingerprint",
            sa.CHAR(length=64),
            nullable=False,
            comment="SHA-256 of method, path and body as received",
        ),
        sa.Column(
            "status_code", sa.SmallInteger(), nullable=True, comment="Status of the first answer"
        ),
        sa.Column(
            "headers",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="Headers of the first answer that are replayed",
        ),
        sa.Column("body", mysql.MEDIUMTEXT(), nullable=True, comment="Body of the first answer"),
        sa.Column(
            "created_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("(UTC_TIMESTAMP(6))"),
            nullable=False,
            comment="When the row was created (UTC)",
        ),
        sa.PrimaryKeyConstraint("key", "principal", name=op.f("pk_idempotency_keys")),
        comment="First answers to requests with an Idempotency-Key, kept for a day",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(
        op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False
    )
    op.create_table(
        "queue_counts",
        sa.Column("queue", sa.String(length=100), nullable=False, comment="Queue"),
        sa.Column(
            "status",
            mysql.ENUM("to_do", "in_progress", "done", "paused", "retrying", "failed", "cancelled"),
            nullable=False,
            comment="Status",
        ),
        sa.Column("priority", mysql.ENUM("高", "中", "低"), nullable=False, comment="Priority"),
        sa.Column("task_count", sa.BigInteger(), nullable=False, comment="Tasks"),
        sa.Column(
            "counted_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("(UTC_TIMESTAMP(6))"),
            nullable=False,
            comment="When they were counted (UTC)",
        ),
        sa.PrimaryKeyConstraint("queue", "status", "priority", name=op.f("pk_queue_counts")),
        comment="Counted tasks by queue, status and priority",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "queues",
        sa.Column("name", sa.String(length=100), nullable=False, comment="Name of the queue"),
        sa.Column("description", sa.Text(), nullable=True, comment="What it is for"),
        sa.Column(
            "max_concurrency",
            sa.Integer(),
            nullable=True,
            comment="Tasks in progress at once over all workers; NULL: no limit",
        ),
        sa.Column(
            "rate_limit", sa.Integer(), nullable=True, comment="Starts per period; NULL: no limit"
        ),
        sa.Column(
            "rate_period_seconds",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Length of the period of rate_limit",
        ),
        sa.Column(
            "rate_tokens",
            sa.Double(),
            nullable=True,
            comment="Starts left in the bucket at rate_refilled_at",
        ),
        sa.Column(
            "rate_refilled_at",
            mysql.DATETIME(fsp=6),
            nullable=True,
            comment="When the bucket was last filled up (UTC)",
        ),
        sa.Column(
            "is_paused",
            sa.Boolean(),
            server_default=sa.text("0"),
            nullable=False,
            comment="1: nothing of it is claimed",
        ),
        sa.Column("paused_reason", sa.Text(), nullable=True, comment="Why it is paused"),
        sa.Column("paused_at", mysql.DATETIME(fsp=6), nullable=True, comment="Since when (UTC)"),
        sa.Column(
            "resume_at",
            mysql.DATETIME(fsp=6),
            nullable=True,
            comment="When it resumes by itself (UTC); NULL: when somebody resumes it",
        ),
        sa.Column(
            "timeout_seconds",
            sa.Integer(),
            nullable=True,
            comment="Default for its tasks; NULL: 300",
        ),
        sa.Column(
            "retry_limit", sa.Integer(), nullable=True, comment="Default for its tasks; NULL: 3"
        ),
        sa.Column(
            "retention_days",
            sa.Integer(),
            nullable=True,
            comment="Days that done tasks are kept; NULL: RETENTION_DAYS, 0: for ever",
        ),
        sa.Column(
            "retention_failed_days",
            sa.Integer(),
            nullable=True,
            comment="Days that failed and cancelled tasks are kept; NULL: RETENTION_FAILED_DAYS",
        ),
        sa.Column(
            "created_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("(UTC_TIMESTAMP(6))"),
            nullable=False,
            comment="When the row was created (UTC)",
        ),
        sa.Column(
            "updated_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"),
            nullable=False,
            comment="When the row was last changed; UTC, as the writing session's time zone is",
        ),
        sa.CheckConstraint("name <> ''", name=op.f("ck_queues_name_not_empty")),
        sa.CheckConstraint(
            "is_paused = (paused_at IS NOT NULL)", name=op.f("ck_queues_paused_has_moment")
        ),
        sa.CheckConstraint(
            "max_concurrency >= 0 AND rate_limit >= 1 AND rate_period_seconds >= 1",
            name=op.f("ck_queues_limits_positive"),
        ),
        sa.CheckConstraint(
            "retention_days >= 0 AND retention_failed_days >= 0",
            name=op.f("ck_queues_retention_not_negative"),
        ),
        sa.CheckConstraint(
            "retry_limit BETWEEN 0 AND 100", name=op.f("ck_queues_retry_limit_range")
        ),
        sa.CheckConstraint(
            "timeout_seconds BETWEEN 1 AND 604800", name=op.f("ck_queues_timeout_range")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_queues")),
        comment="Queues and their limits",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "schedules",
        sa.Column(
            "id",
            sa.BigInteger(),
            autoincrement=True,
            nullable=False,
            comment="Number of the schedule",
        ),
        sa.Column("name", sa.String(length=255), nullable=False, comment="Name of the schedule"),
        sa.Column(
            "status",
            mysql.ENUM("active", "paused", "completed"),
            server_default="active",
            nullable=False,
            comment="active, paused or completed",
        ),
        sa.Column(
            "title",
            sa.String(length=255),
            nullable=False,
            comment="Title of its tasks, with placeholders",
        ),
        sa.Column("description", sa.Text(), nullable=True, comment="Description of its tasks"),
        sa.Column(
            "task_type",
            sa.String(length=100),
            server_default="default",
            nullable=False,
            comment="Task type of its tasks",
        ),
        sa.Column(
            "queue",
            sa.String(length=100),
            server_default="default",
            nullable=False,
            comment="Their queue",
        ),
        sa.Column(
            "priority",
            mysql.ENUM("高", "中", "低"),
            server_default="中",
            nullable=False,
            comment="Their priority",
        ),
        sa.Column("payload", sa.JSON(none_as_null=True), nullable=True, comment="Their payload"),
        sa.Column("tags", sa.JSON(), nullable=False, comment="Their tags, an array of names"),
        sa.Column(
            "timeout_seconds",
            sa.Integer(),
            nullable=True,
            comment="Their timeout_seconds; NULL: the queue's",
        ),
        sa.Column(
            "retry_limit",
            sa.Integer(),
            nullable=True,
            comment="Their retry_limit; NULL: the queue's",
        ),
        sa.Column("account_id", sa.String(length=128), nullable=True, comment="Their account_id"),
        sa.Column(
            "callback_url", sa.String(length=2048), nullable=True, comment="Their callback_url"
        ),
        sa.Column(
            "interval_seconds",
            sa.Integer(),
            nullable=True,
            comment="Seconds from one run to the next; NULL: cron",
        ),
        sa.Column(
            "cron",
            sa.String(length=255),
            nullable=True,
            comment="Cron expression; NULL: interval_seconds",
        ),
        sa.Column(
            "timezone",
            sa.String(length=64),
            nullable=False,
            comment="IANA time zone of cron, windows and last day",
        ),
        sa.Column(
            "valid_time_range",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="Windows of the day in which it fires; NULL: all day",
        ),
        sa.Column("start_at", mysql.DATETIME(fsp=6), nullable=True, comment="Not before (UTC)"),
        sa.Column(
            "task_end_time",
            sa.Date(),
            nullable=True,
            comment="Completed from the start of this day on, in its time zone",
        ),
        sa.Column(
            "max_rounds",
            sa.Integer(),
            nullable=True,
            comment="Completed after so many rounds; NULL: no limit",
        ),
        sa.Column(
            "round_num",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Rounds so far",
        ),
        sa.Column(
            "overlap",
            mysql.ENUM("skip", "queue", "replace"),
            server_default="skip",
            nullable=False,
            comment="When its last task is not finished: skip, queue another, or replace it",
        ),
        sa.Column(
            "misfire",
            mysql.ENUM("once", "all", "skip"),
            server_default="once",
            nullable=False,
            comment="What fell due while nobody ran: run once, run all, or skip",
        ),
        sa.Column(
            "is_unique",
            sa.Boolean(),
            server_default=sa.text("1"),
            nullable=False,
            comment="1: the only live one of its type and account",
        ),
        sa.Column(
            "live",
            mysql.TINYINT(),
            sa.Computed(
                "CASE WHEN is_unique = 1 AND status <> 'completed' THEN 1 END", persisted=True
            ),
            nullable=True,
            comment="1 while is_unique and not completed, else NULL; generated",
        ),
        sa.Column(
            "last_execution_time",
            mysql.DATETIME(fsp=6),
            nullable=True,
            comment="When it last fired (UTC)",
        ),
        sa.Column(
            "next_execution_time",
            mysql.DATETIME(fsp=6),
            nullable=True,
            comment="When it fires next (UTC); set if and only if active",
        ),
        sa.Column(
            "last_task_id", sa.BigInteger(), nullable=True, comment="Task that it created last"
        ),
        sa.Column(
            "version",
            sa.BigInteger(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Counts changes: the ETag",
        ),
        sa.Column(
            "created_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("(UTC_TIMESTAMP(6))"),
            nullable=False,
            comment="When the row was created (UTC)",
        ),
        sa.Column(
            "updated_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"),
            nullable=False,
            comment="When the row was last changed; UTC, as the writing session's time zone is",
        ),
        sa.CheckConstraint(
            "(status = 'active') = (next_execution_time IS NOT NULL)",
            name=op.f("ck_schedules_active_has_next"),
        ),
        sa.CheckConstraint(
            "status <> '' AND priority <> '' AND overlap <> '' AND misfire <> ''",
            name=op.f("ck_schedules_words"),
        ),
        sa.CheckConstraint(
            "(interval_seconds IS NULL) <> (cron IS NULL)",
            name=op.f("ck_schedules_interval_or_cron"),
        ),
        sa.CheckConstraint("interval_seconds >= 1", name=op.f("ck_schedules_interval_positive")),
        sa.CheckConstraint("max_rounds >= 1", name=op.f("ck_schedules_max_rounds_positive")),
        sa.CheckConstraint(
            "retry_limit BETWEEN 0 AND 100", name=op.f("ck_schedules_retry_limit_range")
        ),
        sa.CheckConstraint("round_num >= 0", name=op.f("ck_schedules_round_not_negative")),
        sa.CheckConstraint(
            "timeout_seconds BETWEEN 1 AND 604800", name=op.f("ck_schedules_timeout_range")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint(
            "live", "task_type", "account_id", name=op.f("uq_schedules_live_task_type_account_id")
        ),
        comment="Recurring schedules and the template of their tasks",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(
        op.f("ix_schedules_account_id_id"), "schedules", ["account_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_schedules_status_next_execution_time"),
        "schedules",
        ["status", "next_execution_time"],
        unique=False,
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String(length=100), nullable=False, comment="Name of the setting"),
        sa.Column("value", sa.JSON(), nullable=False, comment="Its value"),
        sa.Column("reason", sa.String(length=500), nullable=True, comment="Why it was set so"),
        sa.Column(
            "updated_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"),
            nullable=False,
            comment="When the row was last changed; UTC, as the writing session's time zone is",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
        comment="What holds for the whole system, as that the dispatcher runs",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "tags",
        sa.Column(
            "id", sa.BigInteger(), autoincrement=True, nullable=False, comment="Number of the tag"
        ),
        sa.Column("name", sa.String(length=100), nullable=False, comment="Name of the tag"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
        sa.UniqueConstraint("name", name=op.f("uq_tags_name")),
        comment="Tags",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "task_attempts",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Task"),
        sa.Column(
            "fence",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Fence of the claim",
        ),
        sa.Column(
            "attempt",
            sa.Integer(),
            nullable=False,
            comment="1 for the first; stays when the attempt before was not counted",
        ),
        sa.Column(
            "worker_id", sa.String(length=32), nullable=False, comment="Worker that held the lease"
        ),
        sa.Column(
            "available_at",
            mysql.DATETIME(fsp=6),
            nullable=False,
            comment="Since when it had waited (UTC)",
        ),
        sa.Column(
            "started_at", mysql.DATETIME(fsp=6), nullable=False, comment="When it was claimed (UTC)"
        ),
        sa.Column("ended_at", mysql.DATETIME(fsp=6), nullable=False, comment="When it ended (UTC)"),
        sa.Column(
            "outcome",
            mysql.ENUM(
                "succeeded",
                "failed",
                "timed_out",
                "lost",
                "crashed",
                "cancelled",
                "snoozed",
                "held",
                "released",
            ),
            nullable=False,
            comment="How it ended",
        ),
        sa.Column(
            "error_class", sa.String(length=255), nullable=True, comment="Class of the error"
        ),
        sa.Column(
            "message", sa.Text(), nullable=True, comment="Message of the error or the reason"
        ),
        sa.Column("traceback", mysql.MEDIUMTEXT(), nullable=True, comment="Traceback of the error"),
        sa.Column(
            "result", sa.JSON(none_as_null=True), nullable=True, comment="What the handler returned"
        ),
        sa.CheckConstraint("outcome <> ''", name=op.f("ck_task_attempts_words")),
        sa.PrimaryKeyConstraint("task_id", "fence", name=op.f("pk_task_attempts")),
        comment="Ended attempts, one row for each claim that was started",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(op.f("ix_task_attempts_ended_at"), "task_attempts", ["ended_at"], unique=False)
    op.create_table(
        "task_events",
        sa.Column(
            "id", sa.BigInteger(), autoincrement=True, nullable=False, comment="Number of the event"
        ),
        sa.Column("task_id", sa.BigInteger(), nullable=False, comment="Task"),
        sa.Column(
            "created_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("(UTC_TIMESTAMP(6))"),
            nullable=False,
            comment="When it was done (UTC)",
        ),
        sa.Column("actor", sa.String(length=100), nullable=False, comment="Who did it"),
        sa.Column("verb", sa.String(length=32), nullable=False, comment="What was done"),
        sa.Column(
            "from_status",
            mysql.ENUM("to_do", "in_progress", "done", "paused", "retrying", "failed", "cancelled"),
            nullable=True,
            comment="Status before",
        ),
        sa.Column(
            "to_status",
            mysql.ENUM("to_do", "in_progress", "done", "paused", "retrying", "failed", "cancelled"),
            nullable=True,
            comment="Status after; NULL when the row went",
        ),
        sa.Column("reason", sa.Text(), nullable=True, comment="Why, in the person's words"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_events")),
        comment="What people and the API did to tasks",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(op.f("ix_task_events_created_at"), "task_events", ["created_at"], unique=False)
    op.create_index(
        op.f("ix_task_events_task_id_id"), "task_events", ["task_id", "id"], unique=False
    )
    op.create_table(
        "task_files",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Task"),
        sa.Column("file_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="File"),
        sa.PrimaryKeyConstraint("task_id", "file_id", name=op.f("pk_task_files")),
        comment="Which task refers to which file",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(
        op.f("ix_task_files_file_id_task_id"), "task_files", ["file_id", "task_id"], unique=False
    )
    op.create_table(
        "task_payloads",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Task"),
        sa.Column("payload", sa.JSON(), nullable=False, comment="Input of the handler"),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_task_payloads")),
        comment="Payloads of tasks that have one",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "tasks",
        sa.Column(
            "id", sa.BigInteger(), autoincrement=True, nullable=False, comment="Number of the task"
        ),
        sa.Column("title", sa.String(length=255), nullable=False, comment="Short name"),
        sa.Column("description", sa.Text(), nullable=True, comment="What is to be done, in words"),
        sa.Column(
            "status",
            mysql.ENUM("to_do", "in_progress", "done", "paused", "retrying", "failed", "cancelled"),
            server_default="to_do",
            nullable=False,
            comment="Where the task stands",
        ),
        sa.Column(
            "priority",
            mysql.ENUM("高", "中", "低"),
            server_default="中",
            nullable=False,
            comment="高 is taken before 中, 中 before 低",
        ),
        sa.Column(
            "due_date",
            mysql.DATETIME(fsp=6),
            nullable=True,
            comment="When the client wants it done (UTC); informs, does not schedule",
        ),
        sa.Column(
            "timeout_seconds",
            sa.Integer(),
            server_default=sa.text("300"),
            nullable=False,
            comment="Length of a lease: the time one attempt has",
        ),
        sa.Column(
            "retry_limit",
            sa.Integer(),
            server_default=sa.text("3"),
            nullable=False,
            comment="How many retries may follow the first attempt",
        ),
        sa.Column(
            "current_retry_count",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Retries counted so far",
        ),
        sa.Column(
            "created_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("(UTC_TIMESTAMP(6))"),
            nullable=False,
            comment="When the row was created (UTC)",
        ),
        sa.Column(
            "updated_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"),
            nullable=False,
            comment="When the row was last changed; UTC, as the writing session's time zone is",
        ),
        sa.Column(
            "completed_at",
            mysql.DATETIME(fsp=6),
            nullable=True,
            comment="When it succeeded (UTC); set if and only if done",
        ),
        sa.Column(
            "queue",
            sa.String(length=100),
            server_default="default",
            nullable=False,
            comment="Queue that it waits in",
        ),
        sa.Column(
            "task_type",
            sa.String(length=100),
            server_default="default",
            nullable=False,
            comment="Names the handler that runs it",
        ),
        sa.Column(
            "account_id",
            sa.String(length=128),
            nullable=True,
            comment="Account that the client keeps it under",
        ),
        sa.Column(
            "available_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("(UTC_TIMESTAMP(6))"),
            nullable=False,
            comment="Due from this moment on (UTC); its place in the queue",
        ),
        sa.Column(
            "fence",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Counts claims; a worker proves its lease by it",
        ),
        sa.Column(
            "run_fence",
            sa.BigInteger(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Fence of the first claim since the creation or the last start",
        ),
        sa.Column(
            "worker_id", sa.String(length=32), nullable=True, comment="Worker that holds the lease"
        ),
        sa.Column(
            "lease_expires_at",
            mysql.DATETIME(fsp=6),
            nullable=True,
            comment="When the lease is over (UTC); set if and only if in_progress",
        ),
        sa.Column(
            "started_at",
            mysql.DATETIME(fsp=6),
            nullable=True,
            comment="When the last attempt began (UTC)",
        ),
        sa.Column(
            "finished_at",
            mysql.DATETIME(fsp=6),
            nullable=True,
            comment="When it became done, failed or cancelled (UTC)",
        ),
        sa.Column(
            "stage",
            mysql.ENUM("QUEUED", "RUNNING"),
            nullable=True,
            comment="What the handler says of a remote system",
        ),
        sa.Column(
            "progress",
            sa.Numeric(precision=5, scale=2),
            nullable=True,
            comment="Percent done, as the handler reports it",
        ),
        sa.Column(
            "progress_message",
            sa.String(length=500),
            nullable=True,
            comment="What the handler says beside the percentage",
        ),
        sa.Column(
            "checkpoint",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="What a handler saved for its next attempt",
        ),
        sa.Column(
            "checkpoint_fence",
            sa.BigInteger(),
            nullable=True,
            comment="Fence of the attempt that saved the checkpoint",
        ),
        sa.Column(
            "stop_requested_at",
            mysql.DATETIME(fsp=6),
            nullable=True,
            comment="When an operator asked the running attempt to stop (UTC)",
        ),
        sa.Column(
            "delete_requested_at",
            mysql.DATETIME(fsp=6),
            nullable=True,
            comment="When a client deleted it while it ran (UTC); the row goes with the attempt",
        ),
        sa.Column("last_error", sa.Text(), nullable=True, comment="Message of the last error"),
        sa.Column(
            "error_class",
            sa.String(length=255),
            nullable=True,
            comment="Class of the last error, to group by",
        ),
        sa.Column(
            "crash_count",
            sa.SmallInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Attempts that took their executor down",
        ),
        sa.Column(
            "snooze_count",
            sa.SmallInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Times the handler put it off",
        ),
        sa.Column(
            "lost_count",
            sa.SmallInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Attempts taken over from a dead worker",
        ),
        sa.Column(
            "unique_key",
            sa.String(length=255),
            nullable=True,
            comment="At most one unfinished task has this key",
        ),
        sa.Column(
            "live_unique_key",
            sa.String(length=255),
            sa.Computed(
                "CASE WHEN status IN ('to_do', 'in_progress', 'paused', 'retrying') AND delete_requested_at IS NULL THEN unique_key END",
                persisted=True,
            ),
            nullable=True,
            comment="unique_key while the task is unfinished; generated",
        ),
        sa.Column(
            "schedule_id", sa.BigInteger(), nullable=True, comment="Schedule that created it"
        ),
        sa.Column("batch_id", sa.BigInteger(), nullable=True, comment="Batch that created it"),
        sa.Column(
            "callback_url",
            sa.String(length=2048),
            nullable=True,
            comment="Where its end is announced",
        ),
        sa.Column(
            "callback_of",
            sa.BigInteger(),
            nullable=True,
            comment="Task whose end this one announces",
        ),
        sa.Column(
            "traceparent",
            sa.CHAR(length=55),
            nullable=True,
            comment="W3C trace context of its creation",
        ),
        sa.Column(
            "workflow_name",
            sa.String(length=255),
            nullable=True,
            comment="Name of the remote workflow",
        ),
        sa.Column(
            "node_count",
            sa.Integer(),
            nullable=True,
            comment="Nodes that the payload sets in the remote workflow",
        ),
        sa.Column(
            "version",
            sa.BigInteger(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Counts changes but progress: the ETag",
        ),
        sa.Column(
            "claimable",
            mysql.TINYINT(),
            sa.Computed("CASE WHEN status IN ('to_do', 'retrying') THEN 1 END", persisted=True),
            nullable=True,
            comment="1 while a worker may claim it, else NULL; generated, leads the claim index",
        ),
        sa.CheckConstraint(
            "(status = 'done') = (completed_at IS NOT NULL)",
            name=op.f("ck_tasks_done_is_completed"),
        ),
        sa.CheckConstraint(
            "(status = 'in_progress') = (lease_expires_at IS NOT NULL)",
            name=op.f("ck_tasks_in_progress_has_lease"),
        ),
        sa.CheckConstraint(
            "(status = 'in_progress') = (worker_id IS NOT NULL)",
            name=op.f("ck_tasks_in_progress_has_worker"),
        ),
        sa.CheckConstraint(
            "(status IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_tasks_finished_has_finished_at"),
        ),
        sa.CheckConstraint(
            "delete_requested_at IS NULL OR status = 'in_progress'",
            name=op.f("ck_tasks_delete_only_in_progress"),
        ),
        sa.CheckConstraint(
            "stage IS NULL OR status = 'in_progress'", name=op.f("ck_tasks_stage_only_in_progress")
        ),
        sa.CheckConstraint("status <> '' AND priority <> ''", name=op.f("ck_tasks_words")),
        sa.CheckConstraint(
            "status <> 'in_progress' OR (fence > 0 AND started_at IS NOT NULL)",
            name=op.f("ck_tasks_in_progress_was_claimed"),
        ),
        sa.CheckConstraint(
            "status <> 'retrying' OR current_retry_count > 0",
            name=op.f("ck_tasks_retrying_has_retry"),
        ),
        sa.CheckConstraint(
            "status <> 'to_do' OR current_retry_count = 0", name=op.f("ck_tasks_to_do_has_no_retry")
        ),
        sa.CheckConstraint(
            "stop_requested_at IS NULL OR status = 'in_progress'",
            name=op.f("ck_tasks_stop_only_in_progress"),
        ),
        sa.CheckConstraint("title <> ''", name=op.f("ck_tasks_title_not_empty")),
        sa.CheckConstraint(
            "current_retry_count >= 0 AND fence >= 0 AND crash_count >= 0 AND snooze_count >= 0 AND lost_count >= 0",
            name=op.f("ck_tasks_counters_not_negative"),
        ),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name=op.f("ck_tasks_progress_range")),
        sa.CheckConstraint(
            "retry_limit BETWEEN 0 AND 100", name=op.f("ck_tasks_retry_limit_range")
        ),
        sa.CheckConstraint(
            "timeout_seconds BETWEEN 1 AND 604800", name=op.f("ck_tasks_timeout_range")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("live_unique_key", name=op.f("uq_tasks_live_unique_key")),
        comment="Tasks: what is to be done, is being done, and was done",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(op.f("ix_tasks_account_id_id"), "tasks", ["account_id", "id"], unique=False)
    op.create_index(op.f("ix_tasks_batch_id_id"), "tasks", ["batch_id", "id"], unique=False)
    op.create_index(
        "ix_tasks_claim",
        "tasks",
        ["claimable", "queue", "priority", "available_at", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_tasks_schedule_id_id"), "tasks", ["schedule_id", "id"], unique=False)
    op.create_index("ix_tasks_status_queue_id", "tasks", ["status", "queue", "id"], unique=False)
    op.create_table(
        "workers",
        sa.Column(
            "id", sa.String(length=32), nullable=False, comment="Chosen by the process at its start"
        ),
        sa.Column("host", sa.String(length=255), nullable=False, comment="Name of its host"),
        sa.Column("pid", sa.Integer(), nullable=False, comment="Process id on that host"),
        sa.Column(
            "version",
            sa.String(length=64),
            nullable=False,
            comment="Version of Rowlease that it runs",
        ),
        sa.Column(
            "queues", sa.JSON(), nullable=False, comment="Queues that it takes, as configured"
        ),
        sa.Column(
            "task_types", sa.JSON(), nullable=False, comment="Task types that it has handlers for"
        ),
        sa.Column("slots", sa.Integer(), nullable=False, comment="Tasks that it runs at once"),
        sa.Column(
            "status",
            mysql.ENUM("alive", "draining", "stopped", "dead"),
            server_default="alive",
            nullable=False,
            comment="alive, draining, stopped, or dead (its heart stopped and the reaper said so)",
        ),
        sa.Column(
            "started_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("(UTC_TIMESTAMP(6))"),
            nullable=False,
            comment="When it registered (UTC)",
        ),
        sa.Column(
            "last_heartbeat_at",
            mysql.DATETIME(fsp=6),
            server_default=sa.text("(UTC_TIMESTAMP(6))"),
            nullable=False,
            comment="When its heart last beat (UTC)",
        ),
        sa.Column(
            "ended_at",
            mysql.DATETIME(fsp=6),
            nullable=True,
            comment="When it stopped or was called dead (UTC)",
        ),
        sa.CheckConstraint(
            "(status IN ('stopped', 'dead')) = (ended_at IS NOT NULL)",
            name=op.f("ck_workers_ended"),
        ),
        sa.CheckConstraint("status <> ''", name=op.f("ck_workers_words")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
        comment="Worker processes, one row for each start",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(
        op.f("ix_workers_status_last_heartbeat_at"),
        "workers",
        ["status", "last_heartbeat_at"],
        unique=False,
    )
    op.create_table(
        "task_tags",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Task"),
        sa.Column("tag_id", sa.BigInteger(), nullable=False, comment="Tag"),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_task_tags_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "tag_id", name=op.f("pk_task_tags")),
        comment="Which task has which tag",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(
        op.f("ix_task_tags_tag_id_task_id"), "task_tags", ["tag_id", "task_id"], unique=False
    )
    op.execute(
        "INSERT INTO settings (name, value)"
        """ VALUES ('dispatcher', '{"is_running": true}'), ('probe', '{}')"""
    )


def downgrade() -> None:
    for table in (
        "task_tags",
        "workers",
        "tasks",
        "task_payloads",
        "task_files",
        "task_events",
        "task_attempts",
        "tags",
        "settings",
        "schedules",
        "queues",
        "queue_counts",
        "idempotency_keys",
        "files",
        "batches",
    ):
        op.drop_table(table)
