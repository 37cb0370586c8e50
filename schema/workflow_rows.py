"""What rows of tasks show of the workflows that they run."""

from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from schema import workflows
from schema.models.tasks import Task

_KIND = select(Task.task_type, Task.queue).where(Task.id == bindparam("id"))
_SHOW = update(Task).with_hint("FORCE INDEX (PRIMARY)", dialect_name="mysql")


def show(connection: Connection, task_id: int, payload: Any) -> None:
    """Let the row of a workflow, which the caller has locked, tell what its new payload says.

    Raises pydantic's ValidationError when that cannot be run.
    """
    task = connection.execute(_KIND, {"id": task_id}).one()
    if task.task_type != workflows.TASK_TYPE:
        return
    workflows.check(task.queue, payload)
    name, count = workflows.shown(task.task_type, payload)
    change = _SHOW.where(Task.id == task_id).values(workflow_name=name, node_count=count)
    connection.execute(change)
