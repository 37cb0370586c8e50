"""Queues: how they come to be, and what they give to their tasks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.mysql import insert

from schema.models.queues import Queue, QueueCount
from schema.models.tasks import STATUS_INDEX, Task
from schema.runtime.reading import fetch
from schema.statements import QUEUE_DEFAULTS
from schema.states import Status

_QUEUES = Queue.__table__
_LOCK = select(_QUEUES.c.name).where(_QUEUES.c.name == bindparam("name")).with_for_update()
_HOLDS = select(
    or_(
        *(
            exists(
                select(literal_column("1"))
                .select_from(Task.__table__)
                .with_hint(Task.__table__, f"FORCE INDEX ({STATUS_INDEX})", "mysql")
                .where(
                    Task.status == literal_column(f"'{status}'"), Task.queue == bindparam("name")
                )
            )
            for status in Status
        )
    )
)
_ORPHANED = (
    select(QueueCount.queue)
    .distinct()
    .where(~exists().where(_QUEUES.c.name == QueueCount.queue).correlate(QueueCount))
)
_RESUME = (
    update(Queue)
    .where(Queue.is_paused == true())
    .values(is_paused=False, paused_reason=None, paused_by=None, paused_at=None, resume_at=None)
)


class NotEmptyError(Exception):
    """A queue holds tasks, so that it cannot be deleted."""

    def __init__(self, name: str) -> None:
        super().__init__(f"queue {name} holds tasks")
        self.name = name


@dataclass(frozen=True, slots=True)
class QueueDefaults:
    """What a task gets where its creator did not say; None: what its type has, else the usual."""

    timeout_seconds: int | None = None
    retry_limit: int | None = None


Prepared = tuple[datetime, Mapping[str, QueueDefaults]]
"""The time, and the defaults of queues by their names."""


def ensure(connection: Connection, names: Collection[str]) -> Prepared:
    """Return the time and the defaults of each queue named, which comes to be if it must."""
    marks = ",".join(["%s"] * len(names))
    rows = fetch(connection, QUEUE_DEFAULTS.format(names=marks), tuple(sorted(names)))
    defaults = {
        name: QueueDefaults(timeout, retries)
        for _, name, timeout, retries in rows
        if name is not None
    }
    missing = sorted(set(names) - set(defaults))
    if missing:
        new = insert(Queue).values([{"name": name} for name in missing])
        connection.execute(new.on_duplicate_key_update(name=Queue.name))
    return rows[0][0], defaults | dict.fromkeys(missing, QueueDefaults())


def names(connection: Connection, *, limit: int) -> Sequence[str]:
    """Return the names of up to `limit` queues, in their order."""
    return (
        connection.execute(select(_QUEUES.c.name).order_by(_QUEUES.c.name).limit(limit))
        .scalars()
        .all()
    )


def create(connection: Connection, name: str, fields: Mapping[str, Any]) -> bool:
    """Create a queue before its first task, with limits and defaults; False when it is there."""
    new = insert(Queue).prefix_with("IGNORE", dialect="mysql")
    return connection.execute(new.values(name=name, **fields)).rowcount == 1


def edit(connection: Connection, name: str, changes: Mapping[str, Any]) -> bool:
    """Change limits and defaults of a queue; False when there is no such queue.

    Waits for the claims under way; a limit holds from the next claim on, a default for the tasks
    that are created from now on. What runs beyond a lowered limit may finish.
    """
    change = update(Queue).where(Queue.name == name)
    return connection.execute(change.values(**changes)).rowcount == 1


def remove(connection: Connection, name: str) -> bool:
    """Take a queue that holds no task, finished ones included; False when it is not there.

    Raises NotEmptyError when it holds one. A task that is created in it in this very moment lets
    it come to be again, with its first task as ever or, at the latest, by `adopt`.
    """
    if connection.execute(_LOCK, {"name": name}).first() is None:
        return False
    if connection.execute(_HOLDS, {"name": name}).scalar_one():
        raise NotEmptyError(name)
    connection.execute(delete(Queue).where(Queue.name == name))
    return True


def adopt(connection: Connection) -> Sequence[str]:
    """Let the queues come to be whose tasks were counted without them, and return their names.

    So are tasks that plain SQL inserted, and those that came while their queue was deleted.
    """
    names = connection.execute(_ORPHANED).scalars().all()
    if names:
        ensure(connection, names)
    return names


def pause(
    connection: Connection,
    name: str,
    reason: str | None,
    *,
    seconds: float | None = None,
    by: str | None = None,
) -> None:
    """Let nothing more of a queue be claimed; after `seconds` it resumes by itself.

    Waits for the claims under way. Where it is paused for longer than that, nothing changes.
    """
    until = None
    shorter: ColumnElement[bool] = Queue.resume_at.is_not(None)
    if seconds is not None:
        until = text("UTC_TIMESTAMP(6) + INTERVAL :seconds SECOND").bindparams(seconds=seconds)
        shorter = Queue.resume_at < until
    connection.execute(
        update(Queue)
        .where(Queue.name == name, or_(Queue.is_paused == false(), shorter))
        .values(
            is_paused=True,
            paused_reason=reason,
            paused_by=by,
            paused_at=func.coalesce(Queue.paused_at, func.utc_timestamp(6)),
            resume_at=until,
        )
    )


def resume(connection: Connection, name: str) -> None:
    """Let a queue be claimed from again; one that is not paused stays as it is."""
    connection.execute(_RESUME.where(Queue.name == name))


def resume_due(connection: Connection) -> int:
    """Resume the queues whose pause is over and return how many; the claim takes them anyway."""
    return connection.execute(_RESUME.where(Queue.resume_at <= func.utc_timestamp(6))).rowcount
