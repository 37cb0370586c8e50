"""Reading tasks: one by its id, many by a filter, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, select

from schema.documents import decode
from schema.models.history import TaskAttempt
from schema.models.tasks import Tag, Task, TaskPayload, TaskTag

COUNT_LIMIT = 10_000
"""An exact total is counted up to here: counting a million rows takes seconds."""

DETAIL_ONLY = ("checkpoint",)
_HIDDEN = ("claimable", "live_unique_key", *DETAIL_ONLY)
_COLUMNS = tuple(column for column in Task.__table__.c if column.key not in _HIDDEN)
_TAGS = (
    select(func.json_arrayagg(Tag.name))
    .join(TaskTag, TaskTag.tag_id == Tag.id)
    .where(TaskTag.task_id == Task.id)
    .correlate(Task)
    .scalar_subquery()
    .label("tags")
)
_LIST = select(*_COLUMNS, _TAGS).where(Task.delete_requested_at.is_(None))
_DETAIL = (
    select(
        *_COLUMNS,
        _TAGS,
        func.concat(Task.checkpoint).label("checkpoint"),
        func.concat(TaskPayload.payload).label("payload"),
        func.concat(TaskAttempt.result).label("result"),
    )
    .outerjoin(TaskPayload, TaskPayload.task_id == Task.id)
    .outerjoin(TaskAttempt, and_(TaskAttempt.task_id == Task.id, TaskAttempt.fence == Task.fence))
    .where(Task.delete_requested_at.is_(None))
)

TaskRow = dict[str, Any]
"""A task as read: every column by its name, and `tags`, sorted names. One read by its id also
has `checkpoint`, `payload` and `result` (of its last attempt) as JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks: those that match all fields. Several values of a field mean any of them."""

    status: Sequence[str] = ()
    priority: Sequence[str] = ()
    queue: Sequence[str] = ()
    task_type: Sequence[str] = ()
    account_id: Sequence[str] = ()
    tag: Sequence[str] = ()
    all_tags: bool = False


def find(connection: Connection, task_id: int) -> TaskRow | None:
    """Return one task, or None. One statement."""
    row = connection.execute(_DETAIL.where(Task.id == task_id)).mappings().one_or_none()
    if row is None:
        return None
    return _task_row(row) | {key: decode(row[key]) for key in ("checkpoint", "payload", "result")}


def page(
    connection: Connection,
    wanted: TaskFilter,
    *,
    limit: int,
    offset: int = 0,
    before_id: int | None = None,
) -> list[TaskRow]:
    """Return up to `limit` tasks, newest first, from below `before_id`. One statement."""
    query = _filtered(_LIST, wanted).order_by(Task.id.desc()).limit(limit)
    if offset:
        query = query.offset(offset)
    if before_id is not None:
        query = query.where(Task.id < before_id)
    return [_task_row(row) for row in connection.execute(query).mappings()]


def count(connection: Connection, wanted: TaskFilter) -> int:
    """Return how many tasks match, counted up to COUNT_LIMIT."""
    visible = select(Task.id).where(Task.delete_requested_at.is_(None))
    matching = _filtered(visible, wanted).limit(COUNT_LIMIT).subquery()
    return connection.execute(select(func.count()).select_from(matching)).scalar_one()


def _task_row(row: Any) -> TaskRow:
    task = {column.key: row[column.key] for column in _COLUMNS}
    task["tags"] = sorted(decode(row["tags"]) or ())
    return task


def _filtered(query: Select[Any], wanted: TaskFilter) -> Select[Any]:
    for column, values in (
        (Task.status, wanted.status),
        (Task.priority, wanted.priority),
        (Task.queue, wanted.queue),
        (Task.task_type, wanted.task_type),
        (Task.account_id, wanted.account_id),
    ):
        if values:
            query = query.where(column.in_(values))
    if wanted.tag and wanted.all_tags:
        for name in wanted.tag:
            query = query.where(_has_tag([name]))
    elif wanted.tag:
        query = query.where(_has_tag(wanted.tag))
    return query


def _has_tag(names: Sequence[str]) -> Any:
    return exists(
        select(1)
        .select_from(TaskTag)
        .join(Tag, Tag.id == TaskTag.tag_id)
        .where(TaskTag.task_id == Task.id, Tag.name.in_(names))
        .correlate(Task)
    )
