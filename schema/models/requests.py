"""What HTTP requests leave behind: batches, idempotency keys, files."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CHAR,
    JSON,
    BigInteger,
    CheckConstraint,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.orm import Mapped, mapped_column

from schema.limits import KEY_LENGTH, TITLE_LENGTH
from schema.models.metadata import (
    Model,
    Moment,
    auto_id,
    created_at,
    one_of,
    table_options,
    updated_at,
)

BATCH_STATUSES = ("running", "completed", "failed")

FILE_USE_INDEX = "ix_files_last_used_at"


class Batch(Model):
    """A verb over the tasks that match a filter, carried on in pages until it is through."""

    __tablename__ = "batches"
    __table_args__ = (
        Index(None, "status", "id"),
        CheckConstraint("status <> ''", name="words"),
        CheckConstraint("(status = 'running') = (finished_at IS NULL)", name="finished"),
        table_options("Batches of tasks, and verbs over many tasks with their reports"),
    )

    id: Mapped[int] = auto_id("Number of the batch")
    verb: Mapped[str] = mapped_column(String(32), comment="What is done to each task")
    status: Mapped[str] = mapped_column(
        one_of(BATCH_STATUSES),
        server_default="running",
        comment="running, completed or failed",
    )
    filter: Mapped[Any | None] = mapped_column(
        JSON(none_as_null=True), comment="Which tasks, in the words of the list's filters"
    )
    actor: Mapped[str] = mapped_column(String(100), comment="Who asked for it")
    reason: Mapped[str | None] = mapped_column(Text, comment="Why, in the person's words")
    requested: Mapped[int] = mapped_column(
        Integer, server_default=text("0"), comment="Tasks that matched so far"
    )
    succeeded: Mapped[int] = mapped_column(
        Integer, server_default=text("0"), comment="Tasks that the verb changed so far"
    )
    failures: Mapped[Any | None] = mapped_column(
        JSON(none_as_null=True), comment="Tasks that refused it, and why"
    )
    last_task_id: Mapped[int | None] = mapped_column(
        BigInteger, comment="Where the next page goes on"
    )
    created_at: Mapped[datetime] = created_at()
    updated_at: Mapped[datetime] = updated_at()
    finished_at: Mapped[datetime | None] = mapped_column(Moment, comment="When it ended (UTC)")


class IdempotencyKey(Model):
    """The first answer to a request that a client may send again."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index(None, "created_at"),
        table_options("First answers to requests with an Idempotency-Key, kept for a day"),
    )

    key: Mapped[str] = mapped_column(
        String(KEY_LENGTH), primary_key=True, comment="The client's key"
    )
    principal: Mapped[str] = mapped_column(
        String(64), primary_key=True, comment="Who sent it; keys of others do not collide"
    )
    fingerprint: Mapped[str] = mapped_column(
        CHAR(64), comment="SHA-256 of method, path and body as received"
    )
    status_code: Mapped[int | None] = mapped_column(
        SmallInteger, comment="Status of the first answer"
    )
    headers: Mapped[Any | None] = mapped_column(
        JSON(none_as_null=True), comment="Headers of the first answer that are replayed"
    )
    body: Mapped[str | None] = mapped_column(MEDIUMTEXT, comment="Body of the first answer")
    created_at: Mapped[datetime] = created_at()


class File(Model):
    """A file that payloads refer to; its bytes are in the store that FILES_URL names."""

    __tablename__ = "files"
    __table_args__ = (
        UniqueConstraint("sha256"),
        Index(FILE_USE_INDEX, "last_used_at"),
        CheckConstraint("size_bytes >= 0", name="size_not_negative"),
        table_options("Uploaded and downloaded files"),
    )

    id: Mapped[int] = auto_id("Number of the file")
    sha256: Mapped[str] = mapped_column(CHAR(64), comment="SHA-256 of the bytes, hexadecimal")
    size_bytes: Mapped[int] = mapped_column(BigInteger, comment="Length")
    name: Mapped[str] = mapped_column(String(TITLE_LENGTH), comment="Name it was uploaded under")
    content_type: Mapped[str] = mapped_column(String(255), comment="Media type")
    created_at: Mapped[datetime] = created_at()
    last_used_at: Mapped[datetime | None] = mapped_column(
        Moment, comment="When it was last uploaded, or a task began to refer to it (UTC)"
    )


class TaskFile(Model):
    """Which task refers to which file."""

    __tablename__ = "task_files"
    __table_args__ = (
        Index(None, "file_id", "task_id"),
        table_options("Which task refers to which file"),
    )

    task_id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, comment="Task"
    )
    file_id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, comment="File"
    )
