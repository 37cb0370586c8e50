"""Reading queues: their limits, and how they stand.

How many wait is read from `queue_counts`, as of the moment when the reaper counted. How many are
in progress and since when the oldest is due is looked up in the indexes of `tasks`, as of now.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from schema.statements import QUEUE, QUEUE_PAGE

QueueRow = dict[str, Any]
"""A queue as read: every column by its name, and

depth               its tasks that wait, due or not, at counted_at
counted_at          when the reaper counted; None: it never did
in_progress         its live leases now, those that are told to end included
oldest_age_seconds  how long the oldest of its due tasks has been due now; None: none is due
"""


def find(connection: Connection, name: str) -> QueueRow | None:
    """Return one queue, or None. One statement."""
    row = connection.exec_driver_sql(QUEUE, (name,)).mappings().one_or_none()
    return None if row is None else _queue_row(row)


def page(connection: Connection, *, limit: int, after: str = "") -> list[QueueRow]:
    """Return up to `limit` queues by their names, from behind `after`. One statement."""
    found = connection.exec_driver_sql(QUEUE_PAGE, (after, limit)).mappings()
    return [_queue_row(row) for row in found]


def count(connection: Connection) -> int:
    """Return how many queues there are."""
    return int(connection.exec_driver_sql("SELECT COUNT(*) FROM queues").scalar_one())


def _queue_row(row: RowMapping) -> QueueRow:
    queue = dict(row)
    now: datetime = queue.pop("now")
    age = (now - queue.pop("due_since")).total_seconds()
    queue["is_paused"] = bool(queue["is_paused"])
    queue["oldest_age_seconds"] = age if age > 0 else None
    return queue
