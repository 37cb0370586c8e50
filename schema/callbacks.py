"""Callbacks: tasks of their own that announce the ends of others.

They are made in the transaction that ends a task: none is lost, and none is made for a task that
did not end. Each has with it what there is to tell, as it was then.
"""

import secrets
from collections.abc import Sequence

import orjson
from sqlalchemy import Connection

from schema import listing, tasks
from schema.limits import CALLBACK_RETRY_SECONDS
from schema.listing import TaskRow
from schema.new_task import NewTask
from schema.reserved import CALLBACK_QUEUE, CALLBACK_TYPE
from schema.shown import OPTIONS, summary
from schema.states import FINISHED

TIMEOUT_SECONDS = 60


def announce(connection: Connection, task_ids: Sequence[int]) -> None:
    """Make the callbacks of tasks which may have ended in this transaction.

    Those that did not end, or have no callback_url, are left out. Needs four statements whatever
    their number is (more above 500), and none where there are no ids.
    """
    ended = [task for task in listing.find_all(connection, task_ids) if _is_to_tell(task)]
    tasks.create(connection, [_callback_of(task) for task in ended])


def _is_to_tell(task: TaskRow) -> bool:
    return task["callback_url"] and task["callback_of"] is None and task["status"] in FINISHED


def _callback_of(task: TaskRow) -> NewTask:
    kind = f"task.{task['status']}"
    event = {"type": kind, "timestamp": task["finished_at"], "data": summary(task)}
    return NewTask(
        title=f"{kind} {task['id']}",
        queue=CALLBACK_QUEUE,
        task_type=CALLBACK_TYPE,
        timeout_seconds=TIMEOUT_SECONDS,
        retry_limit=len(CALLBACK_RETRY_SECONDS),
        payload={
            "url": task["callback_url"],
            "id": f"msg_{secrets.token_hex(16)}",
            "event": orjson.loads(orjson.dumps(event, option=OPTIONS)),
        },
        callback_of=task["id"],
        traceparent=task["traceparent"],
    )
