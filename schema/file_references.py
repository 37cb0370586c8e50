"""Which tasks refer to which files.

A task refers to a file by a member `file` of an object, whose value is the file's number, anywhere
in its payload or its result: {"file": 7}. A handler that stores a file makes its task refer to it.
While a task is there, its files are not pruned.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from schema.attempts import Hold
from schema.documents import decode
from schema.fields import MAX_ID
from schema.inserting import insert_rows
from schema.models.requests import File, TaskFile
from schema.models.tasks import Task
from schema.states import Status

MEMBER = "file"

MENTION = f'"{MEMBER}"'
"""What JSON text without references lacks."""

References = Mapping[int, str]
"""Files by their numbers, each with the JSON pointer of the first place that names it."""

_FILES = File.__table__
_TASKS = Task.__table__
_USE = (
    update(File)
    .with_hint("FORCE INDEX (PRIMARY)", dialect_name="mysql")
    .where(_FILES.c.id.in_(bindparam("ids", expanding=True)))
    .values(last_used_at=func.utc_timestamp(6))
)
_THERE = select(_FILES.c.id).where(_FILES.c.id.in_(bindparam("ids", expanding=True)))
_HELD = (
    select(_TASKS.c.id)
    .with_hint(_TASKS, "FORCE INDEX (PRIMARY)", "mysql")
    .where(
        _TASKS.c.id == bindparam("id"),
        _TASKS.c.fence == bindparam("fence"),
        _TASKS.c.status == Status.IN_PROGRESS,
    )
    .with_for_update(read=True)
)


@dataclass(frozen=True, slots=True)
class MissingFile:
    """A file that is not there: which of several tasks names it, where, and its number."""

    at: int
    pointer: str
    file_id: int


class FilesMissingError(Exception):
    """Payloads refer to files that are not there."""

    def __init__(self, missing: Sequence[MissingFile]) -> None:
        ids = sorted({each.file_id for each in missing})
        super().__init__(f"there is no file {', '.join(str(file_id) for file_id in ids)}")
        self.missing = missing


def references(document: Any) -> References:
    """Return the files that JSON refers to."""
    found: dict[int, str] = {}
    for file_id, pointer in _mentions(document, ""):
        found.setdefault(file_id, pointer)
    return found


def references_in(text: str | None) -> References:
    """Return the files that JSON text refers to; costs nothing where it names none."""
    return {} if text is None or MENTION not in text else references(decode(text))


def require(connection: Connection, wanted: Sequence[References]) -> None:
    """Keep the files that tasks are about to refer to, until the end of the transaction.

    Raises FilesMissingError.
    """
    there = _use(connection, {file_id for each in wanted for file_id in each})
    missing = [
        MissingFile(at, pointer, file_id)
        for at, each in enumerate(wanted)
        for file_id, pointer in each.items()
        if file_id not in there
    ]
    if missing:
        raise FilesMissingError(missing)


def link(connection: Connection, files_of: Mapping[int, Iterable[int]]) -> None:
    """Have tasks (by id) refer to files that are kept by this transaction."""
    links = [
        (task_id, file_id) for task_id, file_ids in files_of.items() for file_id in sorted(file_ids)
    ]
    head = "INSERT IGNORE INTO task_files (task_id, file_id)"
    insert_rows(connection, head, "(%s, %s)", links)


def replace(connection: Connection, task_id: int, before: References, after: References) -> None:
    """Have a task refer to what its new payload names, and no more to what only the old one did.

    Raises FilesMissingError.
    """
    require(connection, [after])
    gone = sorted(before.keys() - after.keys())
    if gone:
        which = delete(TaskFile).where(TaskFile.task_id == task_id, TaskFile.file_id.in_(gone))
        connection.execute(which)
    link(connection, {task_id: after})


def link_results(connection: Connection, results: Mapping[int, str]) -> None:
    """Have tasks (by id) refer to those files that their results (JSON text) name and there are."""
    named = {task_id: references_in(text) for task_id, text in results.items()}
    there = _use(connection, {file_id for each in named.values() for file_id in each})
    link(connection, {task_id: there & each.keys() for task_id, each in named.items()})


def link_held(connection: Connection, hold: Hold, file_id: int) -> bool:
    """Have the task of a lease refer to a file; False when the lease was lost, or the file is gone.

    The task is locked first, as its settlement does.
    """
    task_id, fence = hold
    held = connection.execute(_HELD, {"id": task_id, "fence": fence}).scalar()
    if held is None or not _use(connection, {file_id}):
        return False
    link(connection, {task_id: [file_id]})
    return True


def _use(connection: Connection, file_ids: Collection[int]) -> set[int]:
    """Take note that files are used now, and lock them; return those that there are."""
    ids = sorted([file_id for file_id in file_ids if 0 < file_id <= MAX_ID])
    if not ids:
        return set()
    if connection.execute(_USE, {"ids": ids}).rowcount == len(ids):
        return set(ids)
    return set(connection.execute(_THERE, {"ids": ids}).scalars())


def _mentions(value: Any, pointer: str) -> Iterator[tuple[int, str]]:
    if isinstance(value, Mapping):
        named = value.get(MEMBER)
        if isinstance(named, int) and not isinstance(named, bool):
            yield named, f"{pointer}/{MEMBER}"
        for name, inner in value.items():
            if isinstance(inner, Mapping | list | tuple):
                escaped = str(name).replace("~", "~0").replace("/", "~1")
                yield from _mentions(inner, f"{pointer}/{escaped}")
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _mentions(inner, f"{pointer}/{place}")
