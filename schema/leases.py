"""Leases that ran out: what the reaper expires."""

from collections.abc import Sequence

from sqlalchemy import Connection

from schema.attempts import Settlement, timed_out
from schema.settling import Backoff, end_locked, lock_held
from schema.statements import OVERDUE


def overdue(connection: Connection, *, limit: int) -> list[int]:
    """Return ids of tasks whose leases are over, at most `limit`. Takes no locks."""
    return list(connection.exec_driver_sql(OVERDUE, (limit,)).scalars())


def expire(connection: Connection, task_ids: Sequence[int], backoff: Backoff) -> int:
    """Expire those of the leases that are over, and return how many were.

    Each task goes to retrying with one more retry counted, or to failed when none is left; a
    stopped one is cancelled, a deleted one goes. Looks twice: what another reaper or the worker
    ended meanwhile is left alone.
    """
    over = [row for row in lock_held(connection, task_ids) if row.is_over] if task_ids else []
    end_locked(
        connection,
        [
            (
                row,
                Settlement(
                    task_id=row.id,
                    fence=row.fence,
                    attempt=row.current_retry_count + 1,
                    worker_id=row.worker_id,
                    available_at=row.available_at,
                    started_at=row.started_at,
                    ended_at=row.now,
                    outcome=timed_out(row.timeout_seconds),
                ),
            )
            for row in over
        ],
        backoff,
    )
    return len(over)
