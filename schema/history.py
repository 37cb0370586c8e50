"""Reading what happened to a task: its attempts, and what people did to it."""

from typing import Any

from sqlalchemy import Connection, exists, select

from schema.models.history import TaskAttempt, TaskEvent
from schema.models.tasks import Task

_ATTEMPT_COLUMNS = tuple(column for column in TaskAttempt.__table__.c if column.key != "result")


def is_visible(connection: Connection, task_id: int) -> bool:
    """Whether there is such a task, and it is not deleted."""
    visible = exists().where(Task.id == task_id, Task.delete_requested_at.is_(None))
    return bool(connection.execute(select(visible)).scalar_one())


def attempts(connection: Connection, task_id: int) -> list[dict[str, Any]]:
    """Return the ended attempts of a task, oldest first, without their results."""
    query = select(*_ATTEMPT_COLUMNS).where(TaskAttempt.task_id == task_id)
    rows = connection.execute(query.order_by(TaskAttempt.fence))
    return [dict(row) for row in rows.mappings()]


def events(connection: Connection, task_id: int) -> list[dict[str, Any]]:
    """Return what people and the API did to a task, oldest first."""
    query = select(TaskEvent.__table__).where(TaskEvent.task_id == task_id)
    rows = connection.execute(query.order_by(TaskEvent.id))
    return [dict(row) for row in rows.mappings()]
