"""Retention: which finished tasks have been kept for long enough, and taking them away.

The tasks are walked by their primary key: finished rows have no index on their end, which would
be paid for at every settle. What is due is locked with SKIP LOCKED, so that nobody waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete

from schema import tasks
from schema.models.history import TaskEvent
from schema.models.workers import Worker

_DAYS = """CASE tasks.status WHEN 'done' THEN COALESCE(queues.retention_days, %s)
    WHEN 'failed' THEN COALESCE(queues.retention_failed_days, %s)
    WHEN 'cancelled' THEN COALESCE(queues.retention_failed_days, %s) ELSE 0 END"""
_WALK = f"""SELECT id, finished_at, days > 0 AND finished_at < UTC_TIMESTAMP(6) - INTERVAL days DAY
FROM (SELECT tasks.id, tasks.finished_at, {_DAYS} AS days
    FROM tasks FORCE INDEX (PRIMARY) LEFT JOIN queues ON queues.name = tasks.queue
    WHERE tasks.id > %s ORDER BY tasks.id LIMIT %s) AS page"""
_LOCK = """SELECT id FROM tasks FORCE INDEX (PRIMARY) WHERE id IN ({ids})
    AND status IN ('done', 'failed', 'cancelled') AND finished_at <= %s
ORDER BY id FOR UPDATE SKIP LOCKED"""
_ORPHANED_ATTEMPTS = """SELECT task_attempts.task_id, task_attempts.fence
FROM task_attempts FORCE INDEX (PRIMARY) LEFT JOIN tasks ON tasks.id = task_attempts.task_id
WHERE task_attempts.task_id > %s AND task_attempts.task_id <= %s AND tasks.id IS NULL
    AND task_attempts.ended_at < UTC_TIMESTAMP(6) - INTERVAL %s DAY LIMIT %s"""
_ORPHANED_EVENTS = """SELECT task_events.id
FROM task_events FORCE INDEX (ix_task_events_task_id_id)
LEFT JOIN tasks ON tasks.id = task_events.task_id
WHERE task_events.task_id > %s AND task_events.task_id <= %s AND tasks.id IS NULL
    AND task_events.created_at < UTC_TIMESTAMP(6) - INTERVAL %s DAY LIMIT %s"""
_GONE_WORKERS = """SELECT id FROM workers WHERE status IN ('stopped', 'dead')
    AND last_heartbeat_at < UTC_TIMESTAMP(6) - INTERVAL %s DAY LIMIT %s"""

LAST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Keep:
    """For how many days finished tasks are kept, where their queue does not say; 0: for ever."""

    done_days: int = 30
    failed_days: int = 90

    @property
    def longest_days(self) -> int:
        """For how long it is kept what belongs to no task any more."""
        return max(self.done_days, self.failed_days)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tasks walked over, by id behind `after` up to `until`, and those of them that are due.

    `newest` is the last end among those; `is_last`: behind it there are no more tasks.
    """

    after: int
    until: int
    due: Sequence[int]
    newest: datetime | None
    is_last: bool


def walk(connection: Connection, keep: Keep, after: int, limit: int) -> Stretch:
    """Look at the next `limit` tasks behind an id, without locks."""
    days = (keep.done_days, keep.failed_days, keep.failed_days)
    rows = connection.exec_driver_sql(_WALK, (*days, after, limit)).all()
    due = [row for row in rows if row[2]]
    is_last = len(rows) < limit
    return Stretch(
        after,
        LAST_ID if is_last else max(row[0] for row in rows),
        sorted(row[0] for row in due),
        max((row[1] for row in due), default=None),
        is_last,
    )


def lock(connection: Connection, due: Sequence[int], newest: datetime | None) -> list[int]:
    """Lock those of the tasks that are still finished, did not run again, and nobody else has."""
    if not due:
        return []
    ids = ",".join(str(task_id) for task_id in due)
    return list(connection.exec_driver_sql(_LOCK.format(ids=ids), (newest,)).scalars())


def erase(connection: Connection, task_ids: Sequence[int]) -> None:
    """Take away locked tasks with all that belongs to them."""
    ids = ",".join(map(str, task_ids))
    for table in ("task_attempts", "task_events"):
        connection.exec_driver_sql(f"DELETE FROM {table} WHERE task_id IN ({ids})")
    tasks.erase(connection, task_ids)


def erase_orphans(connection: Connection, keep: Keep, stretch: Stretch, limit: int) -> int:
    """Take away attempts and events of tasks in a stretch that were deleted; return how many."""
    if keep.longest_days == 0:
        return 0
    which = (stretch.after, stretch.until, keep.longest_days, limit)
    attempts = connection.exec_driver_sql(_ORPHANED_ATTEMPTS, which).all()
    if attempts:
        keys = ",".join(f"({task_id},{fence})" for task_id, fence in attempts)
        connection.exec_driver_sql(f"DELETE FROM task_attempts WHERE (task_id, fence) IN ({keys})")
    events = connection.exec_driver_sql(_ORPHANED_EVENTS, which).scalars().all()
    if events:
        connection.execute(delete(TaskEvent).where(TaskEvent.id.in_(events)))
    return len(attempts) + len(events)


def erase_workers(connection: Connection, keep: Keep, limit: int) -> int:
    """Take away workers that ended long ago; return how many."""
    if keep.longest_days == 0:
        return 0
    ids = connection.exec_driver_sql(_GONE_WORKERS, (keep.longest_days, limit)).scalars().all()
    if ids:
        connection.execute(delete(Worker).where(Worker.id.in_(ids)))
    return len(ids)
