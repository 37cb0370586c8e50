"""Settling: what becomes of a task when an attempt has ended, written under its fence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

from sqlalchemy import Connection

from schema import tasks
from schema.attempts import (
    ERROR_CLASS_LENGTH,
    MESSAGE_LENGTH,
    TRACEBACK_LENGTH,
    Failed,
    Failure,
    Outcome,
    Released,
    Settlement,
    Snoozed,
    Succeeded,
)
from schema.inserting import insert_rows
from schema.statements import INSERT_ATTEMPTS, LOCK_HELD, RECORDED, SETTLE
from schema.states import AttemptOutcome


@dataclass(frozen=True, slots=True)
class Backoff:
    """The wait before a retry: a random part of base_seconds * 2^retries, capped.

    Full jitter, as in "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
    """

    base_seconds: float = 1
    max_seconds: float = 300


@dataclass(frozen=True, slots=True)
class Ending:
    """What is written to a task: the same for all tasks whose attempts ended the same way.

    MySQL and MariaDB assign from left to right: what follows `status` reads its new value.
    """

    changes: str
    parameters: tuple[Any, ...] = ()
    guard: str = "delete_requested_at IS NULL AND stop_requested_at IS NULL"


WAITING_AGAIN = "status = IF(current_retry_count = 0, 'to_do', 'retrying')"

DONE = Ending(
    "status = 'done', completed_at = UTC_TIMESTAMP(6), finished_at = UTC_TIMESTAMP(6)",
    guard="delete_requested_at IS NULL",
)
CANCELLED = Ending(
    "status = 'cancelled', finished_at = UTC_TIMESTAMP(6)", guard="delete_requested_at IS NULL"
)
RETRY = """status = IF(current_retry_count < retry_limit, 'retrying', 'failed'),
    finished_at = IF(status = 'failed', UTC_TIMESTAMP(6), NULL),
    available_at = IF(status = 'failed', available_at, UTC_TIMESTAMP(6)
        + INTERVAL RAND() * LEAST(%s, %s * POW(2, current_retry_count)) SECOND),
    current_retry_count = current_retry_count + (status = 'retrying'),
    last_error = %s, error_class = %s"""
FAILED = "status = 'failed', finished_at = UTC_TIMESTAMP(6), last_error = %s, error_class = %s"
SNOOZED = f"""{WAITING_AGAIN}, available_at = UTC_TIMESTAMP(6) + INTERVAL %s SECOND,
    snooze_count = snooze_count + 1"""
RELEASED = Ending(WAITING_AGAIN)
DELAYED = f"""{WAITING_AGAIN}, available_at = UTC_TIMESTAMP(6) + INTERVAL %s SECOND,
    last_error = %s, error_class = %s"""


def settle(
    connection: Connection, settlements: Sequence[Settlement], backoff: Backoff
) -> list[Settlement]:
    """Write the ends of attempts and return those that were refused: their leases were lost.

    Must be the first thing in its transaction. As a rule each group of equal endings is one
    guarded UPDATE, and the row counts say that all were taken. When they fall short, or a task
    was stopped or deleted meanwhile, it rolls back and does it again with the rows locked, so
    that it is known which. What was recorded before is taken: after a COMMIT whose answer was
    lost, settle again.
    """
    if not settlements:
        return []
    groups = _grouped((_ending(item.outcome, backoff), item) for item in settlements)
    if all(_write(connection, ending, items) for ending, items in groups.items()):
        record(connection, settlements)
        return []
    connection.rollback()
    return _settle_locked(connection, settlements, backoff)


def record(connection: Connection, settlements: Iterable[Settlement]) -> None:
    """Write the rows of ended attempts; the primary key lets no claim end twice."""
    rows = [_attempt_row(item) for item in settlements]
    insert_rows(connection, INSERT_ATTEMPTS, f"({','.join(['%s'] * 12)})", rows)


def lock_held(connection: Connection, task_ids: Iterable[int]) -> Sequence[Any]:
    """Lock those of the tasks that are in progress and return what decides about them."""
    ids = ",".join(str(task_id) for task_id in sorted(task_ids))
    return connection.exec_driver_sql(LOCK_HELD.format(ids=ids)).all()


def end_locked(
    connection: Connection, held: Iterable[tuple[Any, Settlement]], backoff: Backoff
) -> None:
    """Write ends of attempts whose rows, from `lock_held`, the caller has locked.

    A deleted task goes; a stopped one is cancelled unless its handler succeeded.
    """
    taken = [(row, _as_stopped(row, item)) for row, item in held]
    tasks.erase(connection, [row.id for row, _ in taken if row.is_deleted])
    kept = ((row, item) for row, item in taken if not row.is_deleted)
    groups = _grouped((_ending_of_held(row, item, backoff), item) for row, item in kept)
    for ending, items in groups.items():
        if not _write(connection, ending, items):
            raise AssertionError("a locked row changed")
    record(connection, [item for _, item in taken])


def _settle_locked(
    connection: Connection, settlements: Sequence[Settlement], backoff: Backoff
) -> list[Settlement]:
    rows = {row.id: row for row in lock_held(connection, {item.task_id for item in settlements})}
    held, lost = [], []
    for item in settlements:
        row = rows.get(item.task_id)
        if row is not None and row.fence == item.fence:
            held.append((row, item))
        else:
            lost.append(item)
    end_locked(connection, held, backoff)
    return _unrecorded(connection, lost)


def _unrecorded(connection: Connection, settlements: list[Settlement]) -> list[Settlement]:
    if not settlements:
        return []
    keys = ",".join(f"({item.task_id},{item.fence})" for item in settlements)
    recorded = {tuple(row) for row in connection.exec_driver_sql(RECORDED.format(keys=keys))}
    return [
        item
        for item in settlements
        if (item.task_id, item.fence, item.worker_id, item.ended_at) not in recorded
    ]


def _ending_of_held(row: Any, item: Settlement, backoff: Backoff) -> Ending:
    if row.is_stopping and not isinstance(item.outcome, Succeeded):
        return CANCELLED
    return _ending(item.outcome, backoff)


def _as_stopped(row: Any, item: Settlement) -> Settlement:
    """Return the attempt with its outcome as the stop makes it: cancelled unless it succeeded."""
    if not row.is_stopping or isinstance(item.outcome, Succeeded):
        return item
    failure = item.outcome.failure if isinstance(item.outcome, Failed | Released) else None
    words = failure or Failure("Cancelled", "stopped")
    return replace(item, outcome=Failed(words, AttemptOutcome.CANCELLED))


def _ending(outcome: Outcome, backoff: Backoff) -> Ending:
    match outcome:
        case Succeeded():
            return DONE
        case Failed(failure, _, True):
            return Ending(FAILED, _error(failure))
        case Failed(failure):
            wait = (backoff.max_seconds, backoff.base_seconds)
            return Ending(RETRY, (*wait, *_error(failure)))
        case Snoozed(seconds):
            return Ending(SNOOZED, (seconds,))
        case Released(delay_seconds, failure) if failure is not None:
            return Ending(DELAYED, (delay_seconds, *_error(failure)))
        case Released():
            return RELEASED
        case _:
            assert_never(outcome)


def _error(failure: Failure) -> tuple[str, str]:
    return failure.message[:MESSAGE_LENGTH], failure.error_class[:ERROR_CLASS_LENGTH]


def _grouped(
    pairs: Iterable[tuple[Ending, Settlement]],
) -> dict[Ending, list[Settlement]]:
    groups: dict[Ending, list[Settlement]] = {}
    for ending, item in pairs:
        groups.setdefault(ending, []).append(item)
    return groups


def _write(connection: Connection, ending: Ending, items: Sequence[Settlement]) -> bool:
    """Write one ending; whether every task was still held."""
    holds = ",".join(f"({item.task_id},{item.fence})" for item in items)
    statement = SETTLE.format(changes=ending.changes, holds=holds, guard=ending.guard)
    return connection.exec_driver_sql(statement, ending.parameters).rowcount == len(items)


def _attempt_row(item: Settlement) -> tuple[Any, ...]:
    head = (
        item.task_id,
        item.fence,
        item.attempt,
        item.worker_id,
        item.available_at,
        item.started_at,
        item.ended_at,
    )
    match item.outcome:
        case Succeeded(result):
            return (*head, "succeeded", None, None, None, result)
        case Failed(failure, outcome):
            return (*head, str(outcome), *_recorded(failure), None)
        case Snoozed(seconds):
            return (*head, "snoozed", None, f"put off for {seconds:g} s", None, None)
        case Released(_, failure):
            return (*head, "released", *_recorded(failure), None)
        case _:
            assert_never(item.outcome)


def _recorded(failure: Failure | None) -> tuple[str | None, str | None, str | None]:
    if failure is None:
        return None, None, None
    message, error_class = _error(failure)
    return error_class, message, failure.traceback and failure.traceback[-TRACEBACK_LENGTH:]
