"""Tasks as their clients change them: create, edit, delete."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Update, delete, func, select, update

from schema import queues, tags
from schema.documents import PAYLOAD_BYTES, encode
from schema.inserting import auto_increment_step, insert_rows
from schema.models.tasks import Task, TaskPayload
from schema.new_task import NewTask
from schema.states import Status
from schema.times import to_database

EDITABLE = frozenset(
    {
        "title",
        "description",
        "priority",
        "tags",
        "due_date",
        "timeout_seconds",
        "retry_limit",
        "payload",
        "account_id",
    }
)
"""Fields that a client may change later."""

_INSERT = """INSERT INTO tasks (title, description, status, priority, due_date, timeout_seconds,
    retry_limit, task_type, queue, account_id, traceparent, available_at, created_at, updated_at)"""
_VALUES = (
    "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
    " COALESCE(%s, UTC_TIMESTAMP(6)), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
)


def create(connection: Connection, new: Sequence[NewTask]) -> list[int]:
    """Create tasks and return their ids in the same order.

    Needs two to five statements whatever their number is (more above 500 tasks or 4 MiB).
    Raises DocumentError when a payload is not JSON of at most 256 KiB.
    """
    if not new:
        return []
    payloads = [None if task.payload is None else _payload(task.payload) for task in new]
    defaults = queues.ensure(connection, {task.queue for task in new})
    rows = [_row(task, defaults[task.queue]) for task in new]
    spans = insert_rows(connection, _INSERT, _VALUES, rows)
    step = auto_increment_step(connection) if len(new) > 1 else 1
    ids = [first + step * position for first, count in spans for position in range(count)]
    _attach(connection, ids, payloads, [task.tags for task in new])
    return ids


def edit(connection: Connection, task_id: int, changes: Mapping[str, Any]) -> bool:
    """Change fields of EDITABLE; False when there is no such task.

    A change of timeout_seconds holds from the next claim on: a lease never grows.
    """
    columns = {name: changes[name] for name in changes.keys() - {"tags", "payload"}}
    if "due_date" in columns:
        columns["due_date"] = to_database(columns["due_date"])
    change = _by_key(update(Task)).where(Task.id == task_id, Task.delete_requested_at.is_(None))
    result = connection.execute(change.values(**columns, version=Task.version + 1))
    if result.rowcount == 0:
        return False
    if "tags" in changes:
        tags.detach(connection, [task_id])
        tags.attach(connection, {task_id: changes["tags"]})
    if "payload" in changes:
        _replace_payload(connection, task_id, changes["payload"])
    return True


def remove(connection: Connection, task_ids: Sequence[int]) -> set[int]:
    """Delete tasks and return the ids of those that were there.

    One in progress is asked to stop and hidden from every read; its row goes when the attempt
    has ended. What was recorded of attempts and events stays until retention takes it.
    """
    lock = (
        select(Task.id, Task.status)
        .with_hint(Task, "FORCE INDEX (PRIMARY)", "mysql")
        .where(Task.id.in_(sorted(task_ids)), Task.delete_requested_at.is_(None))
        .with_for_update()
    )
    status_of = {row.id: row.status for row in connection.execute(lock)}
    running = [task_id for task_id, status in status_of.items() if status == Status.IN_PROGRESS]
    if running:
        hide = _by_key(update(Task)).where(Task.id.in_(running), Task.status == Status.IN_PROGRESS)
        now = func.utc_timestamp(6)
        connection.execute(
            hide.values(
                delete_requested_at=now,
                stop_requested_at=func.coalesce(Task.stop_requested_at, now),
                version=Task.version + 1,
            )
        )
    erase(connection, [task_id for task_id in status_of if task_id not in running])
    return set(status_of)


def erase(connection: Connection, task_ids: Sequence[int]) -> None:
    """Take the rows of tasks that the caller has locked."""
    if not task_ids:
        return
    connection.execute(delete(TaskPayload).where(TaskPayload.task_id.in_(task_ids)))
    tags.detach(connection, task_ids)
    connection.execute(delete(Task).where(Task.id.in_(task_ids)))


def _payload(value: Any) -> str:
    return encode(value, max_bytes=PAYLOAD_BYTES)


def _row(task: NewTask, defaults: queues.QueueDefaults) -> tuple[Any, ...]:
    return (
        task.title,
        task.description,
        str(Status.PAUSED if task.hold else Status.TO_DO),
        str(task.priority),
        to_database(task.due_date),
        defaults.timeout_seconds if task.timeout_seconds is None else task.timeout_seconds,
        defaults.retry_limit if task.retry_limit is None else task.retry_limit,
        task.task_type,
        task.queue,
        task.account_id,
        task.traceparent,
        to_database(task.available_at),
    )


def _attach(
    connection: Connection,
    ids: Sequence[int],
    payloads: Sequence[str | None],
    tag_names: Sequence[Sequence[str]],
) -> None:
    given = [(task_id, text) for task_id, text in zip(ids, payloads, strict=True) if text]
    head = "INSERT INTO task_payloads (task_id, payload)"
    insert_rows(connection, head, "(%s, %s)", given)
    tags.attach(connection, dict(zip(ids, tag_names, strict=True)))


def _replace_payload(connection: Connection, task_id: int, payload: Any) -> None:
    if payload is None:
        connection.execute(delete(TaskPayload).where(TaskPayload.task_id == task_id))
        return
    head = "REPLACE INTO task_payloads (task_id, payload)"
    insert_rows(connection, head, "(%s, %s)", [(task_id, _payload(payload))])


def _by_key(statement: Update) -> Update:
    """Keep the statement on the primary key: MariaDB was seen to walk a secondary index instead."""
    return statement.with_hint("FORCE INDEX (PRIMARY)", dialect_name="mysql")
