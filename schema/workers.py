"""Worker processes: registered, beating, and dead when their heart has stopped."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    text,
    union_all,
    update,
)

from schema.models.tasks import STATUS_INDEX, Task
from schema.models.workers import Worker, WorkerStatus
from schema.states import Status

LIVE = (WorkerStatus.ALIVE, WorkerStatus.DRAINING)
GONE = (WorkerStatus.STOPPED, WorkerStatus.DEAD)

MOST_GONE = 100
"""How many workers that have ended are listed: the last of each status."""

MOST_TASKS = 100
"""How many of its tasks are listed for a worker: those that run longest."""

WorkerRow = dict[str, Any]
"""A worker as read: every column by its name; `busy`, its slots that are taken; `tasks`, what it
runs, the oldest start first, without those that were deleted."""

HELD_FIELDS = ("id", "title", "task_type", "queue", "started_at", "lease_expires_at")

_WORKERS = Worker.__table__
_TASKS = Task.__table__
_NOTHING: dict[str, Any] = {"busy": 0, "tasks": ()}


@dataclass(frozen=True, slots=True)
class WorkerDescription:
    """What a worker says of itself when it registers."""

    host: str
    pid: int
    version: str
    queues: Sequence[str]
    task_types: Sequence[str]
    slots: int


def register(connection: Connection, worker_id: str, description: WorkerDescription) -> None:
    """Enter a worker. Once more with the same id changes nothing."""
    connection.execute(
        insert(Worker)
        .prefix_with("IGNORE", dialect="mysql")
        .values(
            id=worker_id,
            host=description.host,
            pid=description.pid,
            version=description.version,
            queues=list(description.queues),
            task_types=sorted(description.task_types),
            slots=description.slots,
        )
    )


def beat(connection: Connection, worker_id: str) -> bool:
    """Note that a worker lives; False when it was called dead: it must not go on as this one."""
    change = update(Worker).where(Worker.id == worker_id, Worker.status.in_(LIVE))
    return connection.execute(change.values(last_heartbeat_at=func.utc_timestamp(6))).rowcount == 1


def drain(connection: Connection, worker_id: str) -> None:
    """Note that a worker claims nothing more."""
    change = update(Worker).where(Worker.id == worker_id, Worker.status == WorkerStatus.ALIVE)
    connection.execute(change.values(status=WorkerStatus.DRAINING))


def leave(connection: Connection, worker_id: str) -> None:
    """Note that a worker has ended; what it still held is expired at once."""
    change = update(Worker).where(Worker.id == worker_id, Worker.status.in_(LIVE))
    connection.execute(change.values(status=WorkerStatus.STOPPED, ended_at=func.utc_timestamp(6)))


def bury(connection: Connection, *, dead_seconds: float) -> list[str]:
    """Call those workers dead whose last beat is too old, and return their ids.

    Death is a guarded move: a worker that beats in between lives on. The caller must have
    reached the database without a break for dead_seconds: an outage kills nobody.
    """
    age = text("UTC_TIMESTAMP(6) - INTERVAL :dead SECOND").bindparams(dead=dead_seconds)
    silent = (Worker.status.in_(LIVE), Worker.last_heartbeat_at < age)
    ids = list(connection.execute(select(Worker.id).where(*silent)).scalars())
    if not ids:
        return []
    change = update(Worker).where(Worker.id.in_(ids), *silent)
    connection.execute(change.values(status=WorkerStatus.DEAD, ended_at=func.utc_timestamp(6)))
    return sorted(gone(connection, ids))


def gone(connection: Connection, worker_ids: Sequence[str]) -> set[str]:
    """Return those of the workers that have stopped or are dead."""
    if not worker_ids:
        return set()
    query = select(Worker.id).where(Worker.id.in_(worker_ids), Worker.status.in_(GONE))
    return set(connection.execute(query).scalars())


def listed(connection: Connection, statuses: Collection[str] = ()) -> list[WorkerRow]:
    """Return the workers of some statuses, or of all, the latest start first.

    All that live, and of each status that has ended the MOST_GONE that were seen last. Two
    statements, which need not see the same moment.
    """
    wanted = [status for status in WorkerStatus if status in statuses or not statuses]
    found = connection.execute(union_all(*(_OF_STATUS[status] for status in wanted))).mappings()
    rows = sorted(found, key=lambda row: (row["started_at"], row["id"]), reverse=True)
    held = _held(connection, [row["id"] for row in rows])
    return [{**row, **held.get(row["id"], _NOTHING)} for row in rows]


def _of_status(status: WorkerStatus) -> Select[Any]:
    query = select(_WORKERS).where(_WORKERS.c.status == literal_column(f"'{status}'"))
    if status in LIVE:
        return query
    latest = query.order_by(_WORKERS.c.last_heartbeat_at.desc()).limit(MOST_GONE).subquery()
    return select(latest)


_OF_STATUS = {status: _of_status(status) for status in WorkerStatus}
_BY_WORKER = _TASKS.c.worker_id
_HELD = (
    select(
        *(_TASKS.c[name] for name in ("worker_id", *HELD_FIELDS)),
        _TASKS.c.delete_requested_at.is_(None).label("is_visible"),
        func.count().over(partition_by=_BY_WORKER).label("busy"),
        func.row_number()
        .over(partition_by=_BY_WORKER, order_by=(_TASKS.c.started_at, _TASKS.c.id))
        .label("place"),
    )
    .with_hint(_TASKS, f"FORCE INDEX ({STATUS_INDEX})", "mysql")
    .where(_TASKS.c.status == Status.IN_PROGRESS, _BY_WORKER.in_(bindparam("ids", expanding=True)))
    .subquery()
)
_LONGEST_HELD = select(_HELD).where(_HELD.c.place <= MOST_TASKS).order_by(_HELD.c.place)


def _held(connection: Connection, worker_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    held: dict[str, dict[str, Any]] = {}
    if not worker_ids:
        return held
    for row in connection.execute(_LONGEST_HELD, {"ids": worker_ids}).mappings():
        of_worker = held.setdefault(row["worker_id"], {"busy": row["busy"], "tasks": []})
        if row["is_visible"]:
            of_worker["tasks"].append({name: row[name] for name in HELD_FIELDS})
    return held
