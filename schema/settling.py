"""Settling: what becomes of a task when an attempt has ended, written under its fence."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from schema import callbacks, file_references, queues, tasks, unwatched_runs
from schema.attempts import (
    Failed,
    Failure,
    Hold,
    Lost,
    Outcome,
    QueuePaused,
    Released,
    Settlement,
    Succeeded,
)
from schema.endings import (
    CANCELLED,
    Backoff,
    Ending,
    attempt_row,
    ending_of,
    outcome_word,
    silent,
)
from schema.file_references import MENTION
from schema.inserting import insert_written
from schema.new_task import NewTask
from schema.runtime.changes import note
from schema.runtime.metrics import note_finished
from schema.statements import INSERT_ATTEMPTS, LOCK_HELD, RECORDED, SETTLE
from schema.states import Actor, AttemptOutcome


def settle(
    connection: Connection, settlements: Sequence[Settlement], backoff: Backoff
) -> list[Settlement]:
    """Write the ends of attempts and return those that were refused: their leases were lost.

    Must be the first thing in its transaction. As a rule each group of equal endings is one
    guarded UPDATE, and the row counts say that all were taken. When they fall short, or a task
    was stopped or deleted meanwhile, or got its callback_url, it rolls back and does it again
    with the rows locked, so that it is known which. What was recorded before is taken: after a
    COMMIT whose answer was lost, settle again.
    """
    if not settlements:
        return []
    groups = _grouped((_ending_as_claimed(item, backoff), item) for item in settlements)
    if all(_write(connection, ending, items) for ending, items in groups.items()):
        _follow(
            connection, settlements, [each.task_id for each in settlements if each.has_callback]
        )
        return []
    connection.rollback()
    return _settle_locked(connection, settlements, backoff)


def settle_by_fences(
    connection: Connection, worker_id: str, ends: Mapping[Hold, Outcome], backoff: Backoff
) -> set[Hold]:
    """Write the ends of attempts of which their worker knows no more than the leases.

    The tasks' rows tell the rest, and now is their end. Returns the leases that were lost. An end
    that this worker had recorded before, perhaps as cancelled, is taken: the answer was lost.
    """
    rows = lock_held(connection, {task_id for task_id, _ in ends}) if ends else ()
    held = {(row.id, row.fence): row for row in rows if row.worker_id == worker_id}
    taken = [(held[hold], settlement_of(held[hold], ends[hold])) for hold in ends if hold in held]
    end_locked(connection, taken, backoff)
    others = ends.keys() - held.keys()
    lost = others - {
        (row.task_id, row.fence)
        for row in _recorded(connection, others)
        if row.worker_id == worker_id
        and row.outcome in {outcome_word(ends[row.task_id, row.fence]), AttemptOutcome.CANCELLED}
    }
    count_ends((each for _, each in taken), len(lost))
    return lost


def settlement_of(row: Any, outcome: Outcome) -> Settlement:
    """Return the end, now, of the attempt that a row of `lock_held` tells of."""
    return Settlement(
        task_id=row.id,
        fence=row.fence,
        attempt=row.current_retry_count + 1,
        worker_id=row.worker_id,
        available_at=row.available_at,
        started_at=row.started_at,
        ended_at=max(row.now, row.started_at),  # the server's clock may have been set back
        outcome=outcome,
        queue=row.queue,
    )


def count_ends(ends: Iterable[Settlement], lost: int = 0) -> None:
    """Count ends that were written, and those that were refused, for Prometheus."""
    words = ((each, outcome_word(each.outcome)) for each in ends)
    note_finished(
        [(each.queue, word, each.started_at, each.ended_at) for each, word in words], lost
    )


def _follow(
    connection: Connection,
    taken: Sequence[Settlement],
    announced: Sequence[int],
    erased: Collection[int] = (),
) -> None:
    """Write what goes with the ends that were taken: attempts, tasks asked for, paused queues.

    Also which files the results name, but of tasks that were erased. `announced` are the tasks
    that have a callback, if they ended.
    """
    insert_written(connection, INSERT_ATTEMPTS, [attempt_row(item) for item in taken])
    enqueued: list[NewTask] = []
    naming_files: dict[int, str] = {}
    for item in taken:
        match item.outcome:
            case Succeeded(result, new):
                enqueued += new
                if result is not None and MENTION in result and item.task_id not in erased:
                    naming_files[item.task_id] = result
            case QueuePaused(queue, reason, seconds):
                queues.pause(connection, queue, reason, seconds=seconds, by=str(Actor.WORKER))
            case _:
                pass
    file_references.link_results(connection, naming_files)
    tasks.create(connection, enqueued)
    callbacks.announce(connection, announced)


def lock_held(connection: Connection, task_ids: Iterable[int]) -> Sequence[Any]:
    """Lock those of the tasks that are in progress and return what decides about them."""
    ids = ",".join(str(task_id) for task_id in sorted(task_ids))
    return connection.exec_driver_sql(LOCK_HELD.format(ids=ids)).all()


def end_locked(
    connection: Connection, held: Iterable[tuple[Any, Settlement]], backoff: Backoff
) -> None:
    """Write ends of attempts whose rows, from `lock_held`, the caller has locked.

    A deleted task goes; a stopped one is cancelled unless its handler succeeded. The run of one
    at RunningHub is cancelled too, where its checkpoint does not say that this was done.
    """
    taken = [(row, _as_stopped(row, item)) for row, item in held]
    erased = [row.id for row, _ in taken if row.is_deleted]
    stopped = [row.id for row, item in taken if row.is_stopping and not _is_success(item)]
    unwatched_runs.cancel(connection, stopped)
    tasks.erase(connection, erased)
    kept = ((row, item) for row, item in taken if not row.is_deleted)
    groups = _grouped((_ending_of_held(row, item, backoff), item) for row, item in kept)
    for ending, items in groups.items():
        if not _write(connection, ending, items):
            raise AssertionError("a locked row changed")
    announced = [row.id for row, _ in taken if row.has_callback and row.id not in erased]
    _follow(connection, [item for _, item in taken], announced, erased)


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
    holds = {(item.task_id, item.fence) for item in settlements}
    recorded = {
        (row.task_id, row.fence, row.worker_id, row.ended_at)
        for row in _recorded(connection, holds)
    }
    return [
        item
        for item in settlements
        if (item.task_id, item.fence, item.worker_id, item.ended_at) not in recorded
    ]


def _recorded(connection: Connection, holds: Collection[Hold]) -> Sequence[Any]:
    if not holds:
        return ()
    keys = ",".join(f"({task_id},{fence})" for task_id, fence in holds)
    return connection.exec_driver_sql(RECORDED.format(keys=keys)).all()


def _ending_as_claimed(item: Settlement, backoff: Backoff) -> Ending:
    ending = ending_of(item.outcome, backoff)
    return ending if item.has_callback else silent(ending)


def _ending_of_held(row: Any, item: Settlement, backoff: Backoff) -> Ending:
    if row.is_stopping and not _is_success(item):
        return CANCELLED
    return ending_of(item.outcome, backoff)


def _is_success(item: Settlement) -> bool:
    return isinstance(item.outcome, Succeeded)


def _as_stopped(row: Any, item: Settlement) -> Settlement:
    """Return the attempt with its outcome as the stop makes it: cancelled unless it succeeded."""
    if not row.is_stopping or _is_success(item):
        return item
    match item.outcome:
        case Lost():
            return item
        case Failed(failure):
            words = failure
        case Released(_, failure) if failure is not None:
            words = failure
        case _:
            words = Failure("Cancelled", "stopped")
    return item._replace(outcome=Failed(words, AttemptOutcome.CANCELLED))


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
    note(connection, (item.task_id for item in items))
    return connection.exec_driver_sql(statement, ending.parameters).rowcount == len(items)
