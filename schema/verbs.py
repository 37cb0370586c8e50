"""What people do to tasks: start, stop, pause, resume, reorder, delete.

One id is a batch of one. Rows are locked by key, in the order of their ids, and judged by the
table of moves; the UPDATE guards on the status once more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from schema import callbacks, tags, tasks, unique_keys, unwatched_runs, workflows
from schema.inserting import insert_rows
from schema.runtime.changes import note
from schema.runtime.errors import is_duplicate_key
from schema.statements import FOREMOST, LOCK_FOR_VERB, VERB
from schema.states import FINISHED, MOVES, WAITING, State, Status, Verb, state_of


class Answer(StrEnum):
    """What became of a verb on one task."""

    DONE = "done"
    HOLDS_ALREADY = "holds_already"
    REFUSED = "refused"
    KEY_TAKEN = "key_taken"
    MISSING = "missing"
    STALE = "stale"


SUCCESSES = frozenset({Answer.DONE, Answer.HOLDS_ALREADY})


@dataclass(frozen=True, slots=True)
class Result:
    """The answer for one task: its status as it was found, and as it is now.

    Both are None when there is no such task; `after` is when the task is deleted. `state` is the
    requirement's word for what was found, `place` its queue and priority. `holder_id` is the
    unfinished task that has its unique_key, where a start is refused for that.
    """

    task_id: int
    answer: Answer
    before: Status | None = None
    after: Status | None = None
    state: State | None = None
    place: tuple[str, str] = ("", "")
    holder_id: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """Who does what to tasks, and why. `place` is where reorder moves them.

    A number shifts a task by so many seconds, negative is sooner; "first" and "last" move it
    within its queue and priority. `versions`: only tasks that have one of these.
    """

    verb: Verb
    actor: str
    reason: str | None = None
    place: float | Literal["first", "last"] = 0
    versions: frozenset[int] | None = None


def apply(connection: Connection, order: Order, task_ids: Sequence[int]) -> list[Result]:
    """Do what is ordered to tasks, and return an answer for each, in the order of `task_ids`.

    A task whose state does not allow it is left alone, and so is one where the goal holds
    already, and one whose unique_key another unfinished task has. A few statements whatever
    their number is, two a task for reorder to "first".
    """
    rows = {row.id: row for row in lock(connection, task_ids)}
    results = [_judge(order, task_id, rows.get(task_id)) for task_id in task_ids]
    if order.verb is Verb.START:
        results = _start(connection, results, {row.id: row.unique_key for row in rows.values()})
    taken = _taken(results)
    _write(connection, order, taken)
    _announce(connection, order, [each for each in taken if rows[each.task_id].has_callback])
    _record(connection, order, taken)
    return results


def lock(connection: Connection, task_ids: Iterable[int]) -> Sequence[Any]:
    """Lock tasks until the end of the transaction and return what decides about them."""
    ids = ",".join(str(task_id) for task_id in sorted(set(task_ids)))
    return connection.exec_driver_sql(LOCK_FOR_VERB.format(ids=ids)).all() if ids else []


def _taken(results: Iterable[Result]) -> list[Result]:
    return list({each.task_id: each for each in results if each.answer is Answer.DONE}.values())


def _judge(order: Order, task_id: int, row: Any | None) -> Result:
    if row is None:
        return Result(task_id, Answer.MISSING)
    verb, status = order.verb, Status(row.status)
    found = Result(
        task_id,
        Answer.DONE,
        before=status,
        after=_status_after(verb, status, row),
        state=state_of(status, row.stage),
        place=(row.queue, row.priority),
    )
    if order.versions is not None and row.version not in order.versions:
        return replace(found, answer=Answer.STALE, after=status)
    if _holds(verb, status, stopping=bool(row.is_stopping)):
        return replace(found, answer=Answer.HOLDS_ALREADY, after=status)
    if status not in MOVES[verb].sources:
        return replace(found, answer=Answer.REFUSED, after=status)
    return found


def _status_after(verb: Verb, status: Status, row: Any) -> Status | None:
    match verb:
        case Verb.START:
            return Status.TO_DO
        case Verb.STOP:
            return status if status is Status.IN_PROGRESS else Status.CANCELLED
        case Verb.PAUSE:
            return Status.PAUSED
        case Verb.RESUME:
            return Status.TO_DO if row.current_retry_count == 0 else Status.RETRYING
        case Verb.DELETE:
            return None
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
HIDE = """delete_requested_at = UTC_TIMESTAMP(6),
    stop_requested_at = COALESCE(stop_requested_at, UTC_TIMESTAMP(6))"""
PAUSE = "status = 'paused'"
RESUME = "status = IF(current_retry_count = 0, 'to_do', 'retrying')"
SHIFT = "available_at = available_at + INTERVAL %s SECOND"
PLACE_FIRST = "available_at = %s - INTERVAL 1 MICROSECOND"
PLACE_LAST = "available_at = UTC_TIMESTAMP(6)"


def _start(
    connection: Connection, judged: Sequence[Result], keys: Mapping[int, str | None]
) -> list[Result]:
    """Start what may be and has its key to itself; return the answers.

    A key that is taken between the look and the UPDATE is found at the next look: whom the
    index refuses holds the other's entry from then on. What is started anew forgets its run.
    """
    cancellations = unwatched_runs.cancellations(connection, _with_live_runs(_taken(judged)))
    while True:
        results = _with_keys(connection, judged, keys)
        taken = _taken(results)
        try:
            _update(connection, START, taken)
        except IntegrityError as error:
            if not is_duplicate_key(error):
                raise
        else:
            started = cancellations.keys() & {each.task_id for each in taken}
            tasks.create(connection, [cancellations[task_id] for task_id in sorted(started)])
            return results


def _with_keys(
    connection: Connection, judged: Sequence[Result], keys: Mapping[int, str | None]
) -> list[Result]:
    """Return the answers, refused where another task has the key; of several the first gets it."""
    wanted = {key for each in judged if each.answer is Answer.DONE and (key := keys[each.task_id])}
    holders = unique_keys.holders(connection, wanted)
    return [_with_key(each, keys.get(each.task_id), holders) for each in judged]


def _with_key(judged: Result, key: str | None, holders: dict[str, int]) -> Result:
    if judged.answer is not Answer.DONE or key is None:
        return judged
    holder = holders.setdefault(key, judged.task_id)
    if holder == judged.task_id:
        return judged
    return replace(judged, answer=Answer.KEY_TAKEN, after=judged.before, holder_id=holder)


def _write(connection: Connection, order: Order, taken: Sequence[Result]) -> None:
    match order.verb:
        case Verb.START:
            pass  # done with the look at the keys
        case Verb.STOP:
            running, others = _apart(taken)
            _update(connection, ASK_TO_STOP, running)
            unwatched_runs.cancel(connection, _with_live_runs(others))
            _update(connection, CANCEL, others)
        case Verb.DELETE:
            running, others = _apart(taken)
            _update(connection, HIDE, running)
            tags.detach(connection, [each.task_id for each in running])
            unwatched_runs.cancel(connection, _with_live_runs(others))
            tasks.erase(connection, [each.task_id for each in others])
        case Verb.PAUSE:
            _update(connection, PAUSE, taken)
        case Verb.RESUME:
            _update(connection, RESUME, taken)
        case Verb.REORDER:
            _reorder(connection, order, taken)
        case _:
            raise ValueError(f"{order.verb} is not a verb of people")


def _with_live_runs(ending: Sequence[Result]) -> list[int]:
    """Return those that may have waited for a worker to take over their run at RunningHub."""
    live = [each for each in ending if each.before not in FINISHED]
    return [each.task_id for each in live if workflows.is_queue(each.place[0])]


def _announce(connection: Connection, order: Order, taken: Sequence[Result]) -> None:
    """Make the callbacks of those that have one, where they have ended; what runs ends later."""
    if order.verb is Verb.STOP:
        _, ended = _apart(taken)
        callbacks.announce(connection, [each.task_id for each in ended])


def _apart(taken: Sequence[Result]) -> tuple[list[Result], list[Result]]:
    """Return what runs, and what does not."""
    running = [each for each in taken if each.before is Status.IN_PROGRESS]
    return running, [each for each in taken if each.before is not Status.IN_PROGRESS]


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
    note(connection, (each.task_id for each in taken))


_EVENTS = "INSERT INTO task_events (task_id, actor, verb, from_status, to_status, reason)"


def _record(connection: Connection, order: Order, taken: Sequence[Result]) -> None:
    events = [
        (each.task_id, order.actor, order.verb, each.before, each.after, order.reason)
        for each in taken
    ]
    insert_rows(connection, _EVENTS, "(%s, %s, %s, %s, %s, %s)", events)
