"""Filling tables quickly: one real task, copied inside the server."""

from sqlalchemy import Connection, Engine

from schema import queues, tasks
from schema.models.tasks import Task
from schema.new_task import NewTask
from schema.runtime.transactions import transaction
from tools.bench.handlers import NOOP

QUEUE = "bench"

PAYLOAD = {"text": "x" * 107}
"""120 bytes as JSON."""

PAGE = 50_000
"""Rows that one statement copies."""

COPIED = [
    column.name
    for column in Task.__table__.columns
    if column.computed is None and column.name not in {"id", "available_at"}
]

_COPY = f"""INSERT INTO tasks ({", ".join(COPIED)}, available_at)
SELECT {", ".join(COPIED)}, available_at + INTERVAL %s MICROSECOND
FROM tasks FORCE INDEX (PRIMARY) WHERE id >= %s ORDER BY id LIMIT %s"""

_COPY_PAYLOADS = """INSERT INTO task_payloads (task_id, payload)
SELECT tasks.id, task_payloads.payload FROM tasks JOIN task_payloads ON task_payloads.task_id = %s
WHERE tasks.id > %s"""

_AN_HOUR_AGO = "UPDATE tasks SET available_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR WHERE id = %s"


def waiting_task(queue: str = QUEUE, task_type: str = NOOP) -> NewTask:
    """Return a task as most measures want it."""
    return NewTask(title="nothing to do", task_type=task_type, queue=queue, payload=PAYLOAD)


def fill(engine: Engine, new: NewTask, count: int) -> int:
    """Create `count` tasks, one or more, like `new`; return the first one's id.

    They are due since an hour ago, a microsecond apart. While they are copied nobody may claim
    them: pause their queue where workers run.
    """
    with transaction(engine) as connection:
        (first,) = tasks.create(connection, [new])
        connection.exec_driver_sql(_AN_HOUR_AGO, (first,))
    multiply(engine, first, count)
    return first


def multiply(engine: Engine, first: int, count: int) -> None:
    """Copy the newest task, which is `first`, and its payload until there are `count`."""
    have = 1
    while have < count:
        step = min(have, count - have, PAGE)
        with transaction(engine) as connection:
            _copy(connection, first, have, step)
        have += step


def pause(engine: Engine, name: str) -> None:
    """Let nothing of a queue be claimed, which comes to be if it must."""
    with transaction(engine) as connection:
        queues.ensure(connection, [name])
        queues.pause(connection, name, "the benchmark is not ready")


def resume(engine: Engine, name: str) -> None:
    """Let a queue be claimed from."""
    with transaction(engine) as connection:
        queues.resume(connection, name)


def _copy(connection: Connection, first: int, have: int, step: int) -> None:
    last = connection.exec_driver_sql("SELECT MAX(id) FROM tasks").scalar_one()
    connection.exec_driver_sql(_COPY, (have, first, step))
    connection.exec_driver_sql(_COPY_PAYLOADS, (first, last))
