"""Files: what is known of the bytes in the store. `schema.file_references` has who refers to them.

The bytes lie in the store under their SHA-256 (`schema.runtime.files`). Whoever puts them there
or takes them away does it while the row of that SHA-256 is locked, and the row comes and goes in
the same transaction: so no row loses its bytes to one who saw an older row go.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    select,
    text,
    type_coerce,
)
from sqlalchemy.dialects.mysql import insert

from schema.file_references import MENTION, references
from schema.models.requests import FILE_USE_INDEX, File, TaskFile
from schema.models.schedules import Schedule, ScheduleStatus
from schema.models.tasks import Task
from schema.runtime.engine import SESSION_TIMEOUT_SECONDS
from schema.states import FINISHED

STORE_SECONDS = 3_600
"""The longest that a store may take for what is done under a lock."""

MOST_USERS = 100
"""Tasks that are named of those that use a file."""

FileRow = dict[str, Any]
"""A file as read: every column by its name."""

_FILES = File.__table__
_LINKS = TaskFile.__table__
_TASKS = Task.__table__
_LOCK = select(_FILES.c.sha256).where(_FILES.c.id == bindparam("id")).with_for_update()
_USERS = (
    select(_TASKS.c.id)
    .select_from(_LINKS.join(_TASKS, _TASKS.c.id == _LINKS.c.task_id))
    .where(_LINKS.c.file_id == bindparam("id"), _TASKS.c.status.not_in(sorted(FINISHED)))
    .order_by(_TASKS.c.id)
    .limit(MOST_USERS)
)
_SILENCE = "SET SESSION wait_timeout = %s"
_HAS_TASK = exists(
    select(literal_column("1"))
    .select_from(_LINKS.join(_TASKS, _TASKS.c.id == _LINKS.c.task_id))
    .where(_LINKS.c.file_id == _FILES.c.id)
    .correlate(_FILES)
)
_SCHEDULED = select(Schedule.payload).where(
    Schedule.status != ScheduleStatus.COMPLETED,
    type_coerce(Schedule.payload, String).contains(MENTION, autoescape=True),
)


@dataclass(frozen=True, slots=True)
class NewFile:
    """What is told of bytes in the store."""

    sha256: str
    size_bytes: int
    name: str
    content_type: str


class FileMissingError(Exception):
    """There is no such file."""

    def __init__(self, file_id: int) -> None:
        super().__init__(file_id)
        self.file_id = file_id

    def __str__(self) -> str:
        """Say which."""
        return f"there is no file {self.file_id}"


class FileInUseError(Exception):
    """Unfinished tasks refer to the file: `task_ids`, up to MOST_USERS of them."""

    def __init__(self, file_id: int, task_ids: Sequence[int]) -> None:
        super().__init__(f"tasks refer to file {file_id}")
        self.file_id = file_id
        self.task_ids = task_ids


def register(connection: Connection, new: NewFile) -> tuple[int, bool]:
    """Enter a file; return its number, and whether there was none of the same bytes.

    Its row is locked until the end of the transaction: the caller puts the bytes into the store
    before the COMMIT. One that was there keeps its name, and is as good as new.
    """
    entry = insert(File).values(
        sha256=new.sha256,
        size_bytes=new.size_bytes,
        name=new.name,
        content_type=new.content_type,
        last_used_at=func.utc_timestamp(6),
    )
    entered = connection.execute(
        entry.on_duplicate_key_update(
            id=func.last_insert_id(_FILES.c.id), last_used_at=func.utc_timestamp(6)
        )
    )
    return int(entered.lastrowid), entered.rowcount == 1


@contextmanager
def held_for_long(connection: Connection) -> Iterator[None]:
    """Let a lock hold until the block has ended, however slow the store is that works in it.

    The server ends a session that is silent for SESSION_TIMEOUT_SECONDS, and its locks with it.
    """
    connection.exec_driver_sql(_SILENCE, (STORE_SECONDS,))
    try:
        yield
    finally:
        connection.exec_driver_sql(_SILENCE, (SESSION_TIMEOUT_SECONDS,))


def lock_unknown(connection: Connection, sha256: str) -> bool:
    """Lock a SHA-256 that no file has, so that none gets it; False when one has.

    The caller removes its bytes before the COMMIT.
    """
    file_id, is_new = register(connection, NewFile(sha256, 0, "", ""))
    if is_new:
        _erase(connection, file_id)
    return is_new


def find(connection: Connection, file_id: int) -> FileRow:
    """Return a file. Raises FileMissingError."""
    found = connection.execute(select(_FILES).where(_FILES.c.id == file_id)).mappings().first()
    if found is None:
        raise FileMissingError(file_id)
    return dict(found)


def find_all(connection: Connection, file_ids: Collection[int]) -> list[FileRow]:
    """Return those of the files that are there, by their numbers."""
    if not file_ids:
        return []
    query = select(_FILES).where(_FILES.c.id.in_(file_ids)).order_by(_FILES.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]


def remove(connection: Connection, file_id: int) -> str:
    """Take a file's row and return its SHA-256, whose bytes the caller removes before the COMMIT.

    Raises FileMissingError, and FileInUseError while a task that has not finished refers to it.
    """
    sha256: str | None = connection.execute(_LOCK, {"id": file_id}).scalar()
    if sha256 is None:
        raise FileMissingError(file_id)
    users = connection.execute(_USERS, {"id": file_id}).scalars().all()
    if users:
        raise FileInUseError(file_id, users)
    _erase(connection, file_id)
    return sha256


def unused(connection: Connection, days: float, limit: int) -> list[int]:
    """Return up to `limit` files that no task and no schedule refers to, unused for `days`.

    Takes no locks.
    """
    scheduled = _scheduled(connection)
    found = connection.execute(
        select(_FILES.c.id)
        .with_hint(_FILES, f"FORCE INDEX ({FILE_USE_INDEX})", "mysql")
        .where(_is_unused(days), _FILES.c.id.not_in(sorted(scheduled)))
        .order_by(_FILES.c.last_used_at)
        .limit(limit)
    )
    return list(found.scalars())


def remove_unused(connection: Connection, file_id: int, days: float) -> str | None:
    """Take a file's row if it is unused still; return the SHA-256.

    The caller removes its bytes before the COMMIT. None when it is used by now, or somebody else
    is at it.
    """
    lock = (
        select(_FILES.c.sha256)
        .with_hint(_FILES, "FORCE INDEX (PRIMARY)", "mysql")
        .where(_FILES.c.id == file_id)
        .with_for_update(skip_locked=True)
    )
    sha256: str | None = connection.execute(lock).scalar()
    # A creation that refers to it has either committed and is seen, or waits for this lock.
    still = select(_FILES.c.id).where(_FILES.c.id == file_id, _is_unused(days))
    if sha256 is None or connection.execute(still).scalar() is None:
        return None
    _erase(connection, file_id)
    return sha256


def _is_unused(days: float) -> ColumnElement[bool]:
    ago = func.timestampadd(text("SECOND"), -int(days * 86_400), func.utc_timestamp(6))
    return (_FILES.c.last_used_at < ago) & ~_HAS_TASK


def _erase(connection: Connection, file_id: int) -> None:
    connection.execute(delete(TaskFile).where(TaskFile.file_id == file_id))
    connection.execute(delete(File).where(File.id == file_id))


def _scheduled(connection: Connection) -> set[int]:
    """Return the files that the next tasks of schedules will refer to."""
    payloads = connection.execute(_SCHEDULED).scalars()
    return {file_id for payload in payloads for file_id in references(payload)}
