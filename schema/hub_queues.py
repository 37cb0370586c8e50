"""The queues of RunningHub's keys, with the limits that the settings give them.

What an operator or a DBA set stays: only a value that is not there, or that an earlier start
put there, is replaced. So a changed setting holds from the next start of a worker on.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, or_, select, update
from sqlalchemy.dialects.mysql import insert

from schema.models.queues import Queue, Setting
from schema.runtime.runninghub.keys import by_queue
from schema.runtime.settings import Settings
from schema.workflows import MARGIN_MINUTES, RETRY_LIMIT

_NAME = "runninghub_queues"

Limits = Mapping[str, Mapping[str, int]]
"""By queue and column."""


def limits_of(settings: Settings) -> Limits:
    """Return what the queues of all keys are to have where nobody set anything else."""
    return {
        queue: {
            "max_concurrency": key.limit or settings.max_concurrent_tasks,
            "timeout_seconds": (settings.task_timeout_minutes + MARGIN_MINUTES) * 60,
            "retry_limit": RETRY_LIMIT,
        }
        for queue, key in by_queue(settings.hub_keys).items()
    }


def provide(connection: Connection, limits: Limits) -> None:
    """Let the queues come to be, and have these limits."""
    for name, columns in sorted(limits.items()):
        new = insert(Queue).values(name=name, **columns)
        connection.execute(new.on_duplicate_key_update(name=Queue.name))
    memory = select(Setting.value).where(Setting.name == _NAME).with_for_update()
    before: dict[str, Any] = connection.execute(memory).scalar() or {}
    for name, columns in sorted(limits.items()):
        for column, value in columns.items():
            _put(connection, name, column, before.get(name, {}).get(column), value)
    kept = insert(Setting).values(name=_NAME, value={**before, **limits})
    connection.execute(kept.on_duplicate_key_update(value=kept.inserted.value))


def _put(connection: Connection, name: str, column: str, before: int | None, value: int) -> None:
    there = Queue.__table__.c[column]
    ours = or_(there.is_(None), there == before) if before is not None else there.is_(None)
    connection.execute(update(Queue).where(Queue.name == name, ours).values({column: value}))
