"""Queues: how they come to be, and what they give to their tasks."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select, text, update
from sqlalchemy.dialects.mysql import insert

from schema.models.queues import Queue

TIMEOUT_SECONDS = 300
RETRY_LIMIT = 3

_QUEUES = Queue.__table__
_DEFAULTS = select(_QUEUES.c.name, _QUEUES.c.timeout_seconds, _QUEUES.c.retry_limit).where(
    _QUEUES.c.name.in_(bindparam("names", expanding=True))
)


@dataclass(frozen=True, slots=True)
class QueueDefaults:
    """What a task gets where its creator did not say."""

    timeout_seconds: int = TIMEOUT_SECONDS
    retry_limit: int = RETRY_LIMIT


def ensure(connection: Connection, names: Collection[str]) -> Mapping[str, QueueDefaults]:
    """Return the defaults of each queue named; one that is not there yet comes to be."""
    rows = connection.execute(_DEFAULTS, {"names": sorted(names)})
    defaults = {
        row.name: QueueDefaults(
            TIMEOUT_SECONDS if row.timeout_seconds is None else row.timeout_seconds,
            RETRY_LIMIT if row.retry_limit is None else row.retry_limit,
        )
        for row in rows
    }
    missing = sorted(set(names) - set(defaults))
    if missing:
        new = insert(Queue).values([{"name": name} for name in missing])
        connection.execute(new.on_duplicate_key_update(name=Queue.name))
    return defaults | dict.fromkeys(missing, QueueDefaults())


def pause(
    connection: Connection, name: str, reason: str | None, *, seconds: float | None = None
) -> None:
    """Let nothing more of a queue be claimed; after `seconds` it resumes by itself.

    One that is paused without an end stays so.
    """
    change = update(Queue).where(
        Queue.name == name, (Queue.is_paused == 0) | Queue.resume_at.is_not(None)
    )
    until = None if seconds is None else text("UTC_TIMESTAMP(6) + INTERVAL :seconds SECOND")
    connection.execute(
        change.values(
            is_paused=True,
            paused_reason=reason,
            paused_at=func.utc_timestamp(6),
            resume_at=until if until is None else until.bindparams(seconds=seconds),
        )
    )


def resume_due(connection: Connection) -> int:
    """Resume the queues whose pause is over and return how many; the claim takes them anyway."""
    change = update(Queue).where(Queue.is_paused == 1, Queue.resume_at <= func.utc_timestamp(6))
    return connection.execute(
        change.values(is_paused=False, paused_reason=None, paused_at=None, resume_at=None)
    ).rowcount
