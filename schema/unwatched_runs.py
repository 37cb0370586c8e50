"""Runs of RunningHub that go on while their tasks end and no worker watches them.

Each is cancelled there by a task of its own, which is made in the transaction that ends the
other: so it is not forgotten, and is tried again, whoever dies.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from schema import tasks
from schema.new_task import NewTask
from schema.reserved import CANCEL_QUEUE, CANCEL_TYPE
from schema.states import Priority
from schema.workflows import TASK_TYPE

TIMEOUT_SECONDS = 300
RETRY_LIMIT = 20

_WITH_RUNS = f"""SELECT id, queue, JSON_UNQUOTE(JSON_EXTRACT(checkpoint, '$.run_id')) AS run_id
FROM tasks FORCE INDEX (PRIMARY)
WHERE id IN ({{ids}}) AND task_type = '{TASK_TYPE}'
    AND JSON_UNQUOTE(JSON_EXTRACT(checkpoint, '$.step')) = 'accepted'
ORDER BY id"""  # noqa: S608  # constants


def cancel(connection: Connection, task_ids: Sequence[int]) -> None:
    """Have the runs cancelled of tasks, which the caller has locked, and ends or takes away next.

    Nothing is asked of the database where there are no ids.
    """
    tasks.create(connection, list(cancellations(connection, task_ids).values()))


def cancellations(connection: Connection, task_ids: Sequence[int]) -> dict[int, NewTask]:
    """Return what cancels the runs of tasks: by task, of those that have one."""
    if not task_ids:
        return {}
    ids = ",".join(str(task_id) for task_id in task_ids)
    found = connection.exec_driver_sql(_WITH_RUNS.format(ids=ids))
    return {row.id: _cancellation(row) for row in found}


def _cancellation(row: Any) -> NewTask:
    return NewTask(
        title=f"Cancel run {row.run_id} of task {row.id}",
        priority=Priority.HIGH,
        queue=CANCEL_QUEUE,
        task_type=CANCEL_TYPE,
        timeout_seconds=TIMEOUT_SECONDS,
        retry_limit=RETRY_LIMIT,
        payload={"queue": row.queue, "run_id": row.run_id},
    )
