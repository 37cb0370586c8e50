"""What people do to tasks: start, stop, pause, resume, reorder; delete is in `schema.tasks`.

One id is a batch of one. Rows are locked by key, in the order of their ids, and judged by the
table of moves; the UPDATE guards on the status once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import Connection, insert

from schema.models.history import TaskEvent
from schema.statements import FOREMOST, LOCK_FOR_VERB, VERB
from schema.states import MOVES, WAITING, Actor, Status, Verb

VERBS = (Verb.START, Verb.STOP, Verb.PAUSE, Verb.RESUME, Verb.REORDER)
"""In the order in which `allowed_actions` names them, before delete."""


class Answer(StrEnum):
    """What became of a verb on one task."""

    DONE = "done"
    HOLDS_ALREADY = "holds_already"
    REFUSED = "refused"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Result:
    """The answer for one task: its status as it was found, and as it is now.

    Both are None when there is no such task. `place` is its queue and priority.
    """

    task_id: int
    answer: Answer
    before: Status | None = None
    after: Status | None = None
    place: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Order:
    """Who does what to tasks, and why. `place` is where reorder moves them.

    A number shifts a task by so many seconds, negative is sooner; "first" and "last" move it
    within its queue and priority.
    """

    verb: Verb
    actor: str
    reason: str | None = None
    place: float | Literal["first", "last"] = 0


def allowed_actions(status: str, *, stopping: bool) -> list[str]:
    """Return the verbs that a task's state allows; one that is being stopped allows delete."""
    allowed = [
        str(verb)
        for verb in VERBS
        if Status(status) in MOVES[verb].sources and MOVES[verb].by is Actor.OPERATOR
    ]
    return ["delete"] if stopping else [*allowed, "delete"]


def apply(connection: Connection, order: Order, task_ids: Sequence[int]) -> list[Result]:
    """Do what is ordered to tasks, and return an answer for each, in the order of `task_ids`.

    A task whose state does not allow it is left alone, and so is one where the goal holds
    already. Three statements whatever their number is, two a task for reorder to "first".
    Raises IntegrityError when `start` meets a live task with the same unique_key.
    """
    rows = {row.id: row for row in _lock(connection, task_ids)}
    results = [_judge(order.verb, task_id, rows.get(task_id)) for task_id in task_ids]
    taken = list({each.task_id: each for each in results if each.answer is Answer.DONE}.values())
    _write(connection, order, taken)
    _record(connection, order, taken)
    return results


def _lock(connection: Connection, task_ids: Sequence[int]) -> Sequence[Any]:
    if not task_ids:
        return []
    ids = ",".join(str(task_id) for task_id in sorted(set(task_ids)))
    return connection.exec_driver_sql(LOCK_FOR_VERB.format(ids=ids)).all()


def _judge(verb: Verb, task_id: int, row: Any | None) -> Result:
    if row is None:
        return Result(task_id, Answer.MISSING)
    status = Status(row.status)
    place = (row.queue, row.priority)
    if _holds(verb, status, stopping=bool(row.is_stopping)):
        return Result(task_id, Answer.HOLDS_ALREADY, status, status, place)
    if status not in MOVES[verb].sources:
        return Result(task_id, Answer.REFUSED, status, status, place)
    return Result(task_id, Answer.DONE, status, _status_after(verb, status, row), place)


def _status_after(verb: Verb, status: Status, row: Any) -> Status:
    match verb:
        case Verb.START:
            return Status.TO_DO
        case Verb.STOP:
            return status if status is Status.IN_PROGRESS else Status.CANCELLED
        case Verb.PAUSE:
            return Status.PAUSED
        case Verb.RESUME:
            return Status.TO_DO if row.current_retry_count == 0 else Status.RETRYING
        case _:
            return status


def _holds(verb: Verb, status: Status, *, stopping: bool) -> bool:
    match verb:
        case Verb.STOP:
            return stopping or status is Status.CANCELLED
        case Verb.PAUSE:
            return status is Status.PAUSED
        case Verb.RESUME:
            return status in WAITING
        case _:
            return False


START = """status = 'to_do', current_retry_count = 0, crash_count = 0, snooze_count = 0,
    lost_count = 0, checkpoint = NULL, checkpoint_fence = NULL, progress = NULL,
    progress_message = NULL, last_error = NULL, error_class = NULL, finished_at = NULL,
    run_fence = fence + 1, available_at = created_at"""
CANCEL = "status = 'cancelled', finished_at = UTC_TIMESTAMP(6)"
ASK_TO_STOP = "stop_requested_at = UTC_TIMESTAMP(6)"
PAUSE = "status = 'paused'"
RESUME = "status = IF(current_retry_count = 0, 'to_do', 'retrying')"
SHIFT = "available_at = available_at + INTERVAL %s SECOND"
PLACE_FIRST = "available_at = %s - INTERVAL 1 MICROSECOND"
PLACE_LAST = "available_at = UTC_TIMESTAMP(6)"


def _write(connection: Connection, order: Order, taken: Sequence[Result]) -> None:
    match order.verb:
        case Verb.START:
            _update(connection, START, taken)
        case Verb.STOP:
            running = [each for each in taken if each.before is Status.IN_PROGRESS]
            waiting = [each for each in taken if each.before is not Status.IN_PROGRESS]
            _update(connection, ASK_TO_STOP, running)
            _update(connection, CANCEL, waiting)
        case Verb.PAUSE:
            _update(connection, PAUSE, taken)
        case Verb.RESUME:
            _update(connection, RESUME, taken)
        case Verb.REORDER:
            _reorder(connection, order, taken)
        case _:
            raise ValueError(f"{order.verb} is not a verb of people")


def _reorder(connection: Connection, order: Order, taken: Sequence[Result]) -> None:
    match order.place:
        case "first":
            for each in reversed(taken):  # so that the first of them ends up foremost
                foremost = connection.exec_driver_sql(FOREMOST, each.place).scalar_one()
                _update(connection, PLACE_FIRST, [each], (foremost,))
        case "last":
            _update(connection, PLACE_LAST, taken)
        case seconds:
            _update(connection, SHIFT, taken, (seconds,))


def _update(
    connection: Connection, changes: str, taken: Sequence[Result], parameters: tuple[Any, ...] = ()
) -> None:
    if not taken:
        return
    statement = VERB.format(
        changes=changes,
        ids=",".join(str(each.task_id) for each in taken),
        statuses=",".join(sorted({f"'{each.before}'" for each in taken})),
    )
    if connection.exec_driver_sql(statement, parameters).rowcount != len(taken):
        raise AssertionError("a locked row changed")


def _record(connection: Connection, order: Order, taken: Sequence[Result]) -> None:
    if not taken:
        return
    events = [
        {
            "task_id": each.task_id,
            "actor": order.actor,
            "verb": str(order.verb),
            "from_status": each.before,
            "to_status": each.after,
            "reason": order.reason,
        }
        for each in taken
    ]
    connection.execute(insert(TaskEvent), events)
