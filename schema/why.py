"""Why a task is not running: every reason that holds, with what one has to know to end it.

The first reason of a task that waits is what v_waiting says.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from schema import dispatcher
from schema.documents import decode
from schema.limits import COUNT_LIMIT
from schema.models.tasks import CLAIM_INDEX, STATUS_INDEX
from schema.queue_choice import QueueChoice
from schema.statements import WHY
from schema.states import WAITING, Priority, Status
from schema.waiting import WaitsFor

MOST_HOLDERS = 10
"""How many of the tasks are named that use up a limit."""

_AHEAD = f"""SELECT COUNT(*) FROM (SELECT 1 FROM tasks FORCE INDEX ({CLAIM_INDEX})
    WHERE claimable = 1 AND queue = %s AND priority = %s AND """
_DUE_AHEAD = f"{_AHEAD}available_at <= %s LIMIT %s) AS ahead"
_IN_PLACE = f"{_AHEAD}(available_at < %s OR available_at = %s AND id < %s) LIMIT %s) AS ahead"
_HOLDERS = f"""SELECT id FROM tasks FORCE INDEX ({STATUS_INDEX})
WHERE status = 'in_progress' AND queue = %s ORDER BY id LIMIT %s"""
_LIVE_WORKERS = "SELECT id, queues, task_types FROM workers WHERE status = 'alive'"
_LAST_PAUSE = """SELECT actor, created_at, reason FROM task_events
WHERE task_id = %s AND to_status = 'paused' ORDER BY id DESC LIMIT 1"""


class Standing(StrEnum):
    """Why a task does not even wait.

    - running: a worker holds it
    - stopping: it was told to stop, and its worker has not ended it yet
    - paused: it waits for somebody to resume it
    - finished: it is done, failed or cancelled
    """

    RUNNING = "running"
    STOPPING = "stopping"
    PAUSED = "paused"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, and what is known of it, by name."""

    code: WaitsFor | Standing
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a task stands, and why; the first reason is the one to begin with."""

    task_id: int
    status: Status
    stage: str | None
    reasons: tuple[Reason, ...]


def explain(connection: Connection, task_id: int) -> Explanation | None:
    """Return why a task is not running; None when there is no such task.

    A few statements without locks, which need not see the same moment.
    """
    row = connection.exec_driver_sql(WHY, (task_id,)).one_or_none()
    if row is None:
        return None
    status = Status(row.status)
    if status in WAITING:
        reasons = tuple(_waiting(connection, row)) or (_turn(connection, row),)
    else:
        reasons = (_standing(connection, status, row),)
    return Explanation(task_id, status, row.stage, reasons)


def _standing(connection: Connection, status: Status, row: Any) -> Reason:
    match status:
        case Status.IN_PROGRESS:
            held = {"worker_id": row.worker_id, "until": row.lease_expires_at}
            if row.stop_requested_at is None:
                return Reason(Standing.RUNNING, {**held, "since": row.started_at})
            return Reason(Standing.STOPPING, {**held, "since": row.stop_requested_at})
        case Status.PAUSED:
            return Reason(Standing.PAUSED, _pause(connection, row))
        case _:
            values = {"status": status, "since": row.finished_at, "reason": row.last_error}
            return Reason(Standing.FINISHED, values)


def _pause(connection: Connection, row: Any) -> Mapping[str, Any]:
    """Return who paused a task: nobody, where its handler did or it was created so."""
    event = connection.exec_driver_sql(_LAST_PAUSE, (row.id,)).one_or_none()
    if event is None or (row.started_at is not None and event.created_at < row.started_at):
        return {"actor": None, "since": row.updated_at, "reason": row.last_error}
    return {"actor": event.actor, "since": event.created_at, "reason": event.reason}


def _waiting(connection: Connection, row: Any) -> Iterator[Reason]:
    """Yield what holds back a task that waits, in the order of WaitsFor."""
    state = dispatcher.state(connection)
    if not state.is_running:
        yield Reason(WaitsFor.DISPATCHER, {"since": state.since, "reason": state.reason})
    yield from _without_worker(connection, row)
    if row.available_at > row.now:
        yield Reason(WaitsFor.AVAILABLE_AT, {"until": row.available_at})
    if row.is_closed:
        values = {"queue": row.queue, "since": row.paused_at, "until": row.resume_at}
        because = {"actor": row.paused_by, "reason": row.paused_reason}
        yield Reason(WaitsFor.PAUSED_QUEUE, {**values, **because})
    if row.is_full:
        values = {"queue": row.queue, "limit": row.max_concurrency}
        holders = connection.exec_driver_sql(_HOLDERS, (row.queue, MOST_HOLDERS)).scalars().all()
        yield Reason(WaitsFor.MAX_CONCURRENCY, {**values, "task_ids": list(holders)})
    if row.is_spent:
        values = {"queue": row.queue, "limit": row.rate_limit}
        yield Reason(WaitsFor.RATE_LIMIT, {**values, "seconds": row.rate_period_seconds})


def _without_worker(connection: Connection, row: Any) -> Iterator[Reason]:
    live = connection.exec_driver_sql(_LIVE_WORKERS).all()
    if not live:
        yield Reason(WaitsFor.WORKER)
        return
    takers = [each for each in live if _takes(decode(each.queues), row.queue)]
    values = {"queue": row.queue, "task_type": row.task_type}
    if not takers:
        yield Reason(WaitsFor.WORKER_QUEUE, {**values, "workers": len(live)})
    elif not any(row.task_type in decode(each.task_types) for each in takers):
        yield Reason(WaitsFor.WORKER_TYPE, {**values, "workers": len(takers)})


def _takes(words: list[str], queue: str) -> bool:
    return bool(QueueChoice.parse(",".join(words)).ordered([queue]))


def _turn(connection: Connection, row: Any) -> Reason:
    """Return how many are before a task that may be claimed, counted up to COUNT_LIMIT."""
    place = (row.queue, row.priority)
    moments = (row.available_at, row.available_at, row.id)
    ahead = connection.exec_driver_sql(_IN_PLACE, (*place, *moments, COUNT_LIMIT)).scalar_one()
    for priority in list(Priority)[: list(Priority).index(Priority(row.priority))]:
        parameters = (row.queue, str(priority), row.now, COUNT_LIMIT)
        ahead += connection.exec_driver_sql(_DUE_AHEAD, parameters).scalar_one()
    return Reason(WaitsFor.TURN, {"queue": row.queue, "ahead": min(ahead, COUNT_LIMIT)})
