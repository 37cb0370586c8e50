"""Reading tasks: one by its id, many by a filter, newest first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
)

from schema.documents import decode
from schema.limits import COUNT_LIMIT
from schema.models.history import TaskAttempt
from schema.models.tasks import Tag, Task, TaskPayload, TaskTag
from schema.states import STATUSES_OF, Stage, State, Status

# Tables, not models: a statement on models is prepared anew by the ORM at each execution.
_TASKS = Task.__table__
_PAYLOADS = TaskPayload.__table__
_ATTEMPTS = TaskAttempt.__table__
_TAGS = Tag.__table__
_TASK_TAGS = TaskTag.__table__

DETAIL_ONLY = ("checkpoint",)
_HIDDEN = ("claimable", "live_unique_key", *DETAIL_ONLY)
_COLUMNS = tuple(column for column in _TASKS.c if column.key not in _HIDDEN)
_NAMES = (*(column.key for column in _COLUMNS), "tags")
_TAG_NAMES = (
    select(func.json_arrayagg(_TAGS.c.name))
    .join(_TASK_TAGS, _TASK_TAGS.c.tag_id == _TAGS.c.id)
    .where(_TASK_TAGS.c.task_id == _TASKS.c.id)
    .correlate(_TASKS)
    .scalar_subquery()
    .label("tags")
)
_VISIBLE = _TASKS.c.delete_requested_at.is_(None)
_IDS = select(_TASKS.c.id).where(_VISIBLE)
_LIST = select(*_COLUMNS, _TAG_NAMES).where(_VISIBLE)
_SOME = _LIST.where(_TASKS.c.id.in_(bindparam("task_ids", expanding=True)))
# Built once: a statement that is made anew for each call is also hashed anew.
_ONE = (
    select(
        *_COLUMNS,
        _TAG_NAMES,
        func.concat(_TASKS.c.checkpoint).label("checkpoint"),
        func.concat(_PAYLOADS.c.payload).label("payload"),
        func.concat(_ATTEMPTS.c.result).label("result"),
    )
    .outerjoin(_PAYLOADS, _PAYLOADS.c.task_id == _TASKS.c.id)
    .outerjoin(
        _ATTEMPTS,
        and_(_ATTEMPTS.c.task_id == _TASKS.c.id, _ATTEMPTS.c.fence == _TASKS.c.fence),
    )
    .where(_VISIBLE, _TASKS.c.id == bindparam("task_id"))
)

TaskRow = dict[str, Any]
"""A task as read: every column by its name, and `tags`, sorted names. One read by its id also
has `checkpoint`, `payload` and `result` (of its last attempt) as JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks: those that match all fields. Several values of a field mean any of them.

    `state` takes the words of `states.STATUSES_OF`.
    """

    status: Sequence[str] = ()
    state: Sequence[str] = ()
    priority: Sequence[str] = ()
    queue: Sequence[str] = ()
    task_type: Sequence[str] = ()
    account_id: Sequence[str] = ()
    schedule_id: Sequence[int] = ()
    tag: Sequence[str] = ()
    tag_match: Literal["any", "all"] = "any"

    def words(self) -> dict[str, Any]:
        """Return the fields that say something, as JSON keeps them; empty: all tasks match."""
        said = {name: value for name, value in asdict(self).items() if value}
        return said if self.tag else {name: said[name] for name in said if name != "tag_match"}


def find(connection: Connection, task_id: int) -> TaskRow | None:
    """Return one task, or None. One statement."""
    row = connection.execute(_ONE, {"task_id": task_id}).one_or_none()
    if row is None:
        return None
    *shared, checkpoint, payload, result = row
    details = {"checkpoint": checkpoint, "payload": payload, "result": result}
    return _task_row(shared) | {name: decode(text) for name, text in details.items()}


def find_all(connection: Connection, task_ids: Sequence[int]) -> list[TaskRow]:
    """Return tasks as `page` does, in the order of `task_ids`, without those that are not there."""
    rows = connection.execute(_SOME, {"task_ids": task_ids})
    found = {task["id"]: task for task in map(_task_row, rows)}
    return [found[task_id] for task_id in task_ids if task_id in found]


def page(
    connection: Connection,
    wanted: TaskFilter,
    *,
    limit: int,
    offset: int = 0,
    before_id: int | None = None,
) -> list[TaskRow]:
    """Return up to `limit` tasks, newest first, from below `before_id`. One statement."""
    query = _filtered(_LIST, wanted).order_by(_TASKS.c.id.desc()).limit(limit)
    if offset:
        query = query.offset(offset)
    if before_id is not None:
        query = query.where(_TASKS.c.id < before_id)
    return [_task_row(row) for row in connection.execute(query)]


def count(connection: Connection, wanted: TaskFilter, *, limit: int | None = None) -> int:
    """Return how many tasks match, counted up to `limit`, COUNT_LIMIT by default."""
    found = _filtered(_IDS, wanted).limit(limit or COUNT_LIMIT).subquery()
    return connection.execute(select(func.count()).select_from(found)).scalar_one()


def matching(
    connection: Connection, wanted: TaskFilter, *, limit: int, before_id: int | None = None
) -> list[int]:
    """Return the ids of up to `limit` tasks, newest first, from below `before_id`."""
    query = _filtered(_IDS, wanted).order_by(_TASKS.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(_TASKS.c.id < before_id)
    return list(connection.execute(query).scalars())


def still_matching(
    connection: Connection, wanted: TaskFilter, task_ids: Sequence[int]
) -> list[int]:
    """Return those of the tasks that match, in the same order."""
    query = _filtered(_IDS, wanted).where(_TASKS.c.id.in_(task_ids))
    found = set(connection.execute(query).scalars())
    return [task_id for task_id in task_ids if task_id in found]


def _task_row(values: Iterable[Any]) -> TaskRow:
    task = dict(zip(_NAMES, values, strict=True))
    task["tags"] = sorted(decode(task["tags"]) or ())
    return task


def _filtered(query: Select[Any], wanted: TaskFilter) -> Select[Any]:
    for column, values in (
        (_TASKS.c.status, wanted.status),
        (_TASKS.c.priority, wanted.priority),
        (_TASKS.c.queue, wanted.queue),
        (_TASKS.c.task_type, wanted.task_type),
        (_TASKS.c.account_id, wanted.account_id),
        (_TASKS.c.schedule_id, wanted.schedule_id),
    ):
        if values:
            query = query.where(column.in_(values))
    if wanted.state:
        query = query.where(*_in_state(set(wanted.state)))
    if wanted.tag and wanted.tag_match == "all":
        for name in wanted.tag:
            query = query.where(_has_tag([name]))
    elif wanted.tag:
        query = query.where(_has_tag(wanted.tag))
    return query


def _in_state(words: set[str]) -> Iterator[ColumnElement[bool]]:
    """Ask for statuses, which have an index, and for the stage where the words tell it apart."""
    yield _TASKS.c.status.in_(sorted(set().union(*(STATUSES_OF[word] for word in words))))
    in_progress = words & {State.QUEUED, State.RUNNING, "running"}
    if in_progress == {State.QUEUED}:
        is_queued = _TASKS.c.stage.is_not_distinct_from(Stage.QUEUED)
        yield or_(_TASKS.c.status != Status.IN_PROGRESS, is_queued)
    elif in_progress == {State.RUNNING}:
        yield _TASKS.c.stage.is_distinct_from(Stage.QUEUED)


def _has_tag(names: Sequence[str]) -> Any:
    return exists(
        select(1)
        .select_from(_TASK_TAGS)
        .join(_TAGS, _TAGS.c.id == _TASK_TAGS.c.tag_id)
        .where(_TASK_TAGS.c.task_id == _TASKS.c.id, _TAGS.c.name.in_(names))
        .correlate(_TASKS)
    )
