"""Leases that ran out: what the reaper expires."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from schema import unwatched_runs, workers
from schema.attempts import (
    Failed,
    Failure,
    Hold,
    Lost,
    Released,
    Settlement,
    timed_out,
    worker_lost,
)
from schema.endings import Backoff
from schema.settling import count_ends, end_locked, lock_held, settlement_of
from schema.statements import ORPHANED, OVERDUE, UNHEEDED
from schema.states import AttemptOutcome


def overdue(connection: Connection, limit: int) -> list[int]:
    """Return ids of tasks whose leases are over, at most `limit`. Takes no locks."""
    return list(connection.exec_driver_sql(OVERDUE, (limit,)).scalars())


def orphaned(connection: Connection, limit: int) -> list[int]:
    """Return ids of tasks whose workers are gone, at most `limit`. Takes no locks."""
    return list(connection.exec_driver_sql(ORPHANED, (limit,)).scalars())


def expire(connection: Connection, task_ids: Sequence[int], backoff: Backoff) -> int:
    """Expire those leases that are over or whose workers are gone; return how many were.

    Each task goes to retrying with one more retry counted, or to failed when none is left; one
    that saved a checkpoint under a dead worker waits, uncounted, to be taken over; a stopped one
    is cancelled, a deleted one goes. Looks twice: what another reaper or the worker ended
    meanwhile is left alone.
    """
    rows = lock_held(connection, task_ids) if task_ids else []
    gone = workers.gone(connection, list({row.worker_id for row in rows if not row.is_over}))
    ended = [(row, _ended(row)) for row in rows if row.is_over or row.worker_id in gone]
    unwatched_runs.cancel(connection, [row.id for row, item in ended if _fails(row, item)])
    end_locked(connection, ended, backoff)
    count_ends(each for _, each in ended)
    return len(ended)


def unheeded(connection: Connection, limit: int, *, grace_seconds: float) -> list[int]:
    """Return ids of tasks that run on longer than that after a stop, at most `limit`, unlocked."""
    return list(connection.exec_driver_sql(UNHEEDED, (grace_seconds, limit)).scalars())


def cancel(
    connection: Connection, task_ids: Sequence[int], backoff: Backoff, *, grace_seconds: float
) -> int:
    """Cancel those tasks that run on longer than that after a stop; return how many were.

    Their workers come too late, whatever they say. A deleted task goes. Looks twice, like expire.
    """
    rows = lock_held(connection, task_ids) if task_ids else []
    message = f"stopped: its worker did not end it within {grace_seconds:g} s"
    cancelled = Failed(Failure("Cancelled", message), AttemptOutcome.CANCELLED)
    late = [(row, settlement_of(row, cancelled)) for row in rows if _waits(row) >= grace_seconds]
    end_locked(connection, late, backoff)
    count_ends(each for _, each in late)
    return len(late)


def _waits(row: Any) -> float:
    """Return for how many seconds a stop has been asked for; 0 when none is."""
    return float((row.now - row.stop_requested_at).total_seconds()) if row.is_stopping else 0


def release_unknown(
    connection: Connection, *, worker_id: str, holds: Sequence[Hold], backoff: Backoff
) -> int:
    """Release leases that a worker was given but never knew of; return how many they were.

    A COMMIT of its claim was taken although its answer was lost. Nothing is counted.
    """
    wanted = set(holds)
    rows = lock_held(connection, [task_id for task_id, _ in holds]) if holds else []
    unknown = [
        (row, settlement_of(row, Released()))
        for row in rows
        if row.worker_id == worker_id and (row.id, row.fence) in wanted
    ]
    end_locked(connection, unknown, backoff)
    count_ends(each for _, each in unknown)
    return len(unknown)


def _fails(row: Any, item: Settlement) -> bool:
    """Whether an expired lease was its task's last: nobody takes over what it began."""
    is_taken_over = isinstance(item.outcome, Lost) and item.outcome.resumable
    return row.is_last and not row.is_stopping and not is_taken_over


def _ended(row: Any) -> Settlement:
    if row.is_over:
        return settlement_of(row, timed_out(row.timeout_seconds))
    return settlement_of(row, worker_lost(row.worker_id, resumable=bool(row.is_resumable)))
