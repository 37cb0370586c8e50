"""Worker processes: registered, beating, and dead when their heart has stopped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, text, update

from schema.models.workers import Worker

LIVE = ("alive", "draining")
GONE = ("stopped", "dead")


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
    change = update(Worker).where(Worker.id == worker_id, Worker.status == "alive")
    connection.execute(change.values(status="draining"))


def leave(connection: Connection, worker_id: str) -> None:
    """Note that a worker has ended; what it still held is expired at once."""
    change = update(Worker).where(Worker.id == worker_id, Worker.status.in_(LIVE))
    connection.execute(change.values(status="stopped", ended_at=func.utc_timestamp(6)))


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
    connection.execute(change.values(status="dead", ended_at=func.utc_timestamp(6)))
    return sorted(gone(connection, ids))


def gone(connection: Connection, worker_ids: Sequence[str]) -> set[str]:
    """Return those of the workers that have stopped or are dead."""
    if not worker_ids:
        return set()
    query = select(Worker.id).where(Worker.id.in_(worker_ids), Worker.status.in_(GONE))
    return set(connection.execute(query).scalars())


def all_workers(connection: Connection) -> list[dict[str, Any]]:
    """Return every worker that is remembered, the latest start first."""
    query = select(Worker.__table__).order_by(Worker.started_at.desc(), Worker.id)
    return [dict(row) for row in connection.execute(query).mappings()]
