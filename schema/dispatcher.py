"""The dispatcher: whether anything at all is claimed.

Its state is one row of `settings`, so that it survives restarts. Whoever claims holds that row
until its COMMIT: once a stop has answered, nothing more is claimed anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, literal_column, not_, select
from sqlalchemy.dialects.mysql import insert

from schema.models.queues import Setting
from schema.models.tasks import STATUS_INDEX, Task
from schema.reserved import CALLBACK_QUEUE
from schema.states import Status

_NAME = "dispatcher"
_SETTINGS = Setting.__table__
_TASKS = Task.__table__
_IS_STOPPED = func.coalesce(
    func.json_contains(_SETTINGS.c.value, "false", "$.is_running"), literal_column("0")
)
_ROW = _SETTINGS.c.name == _NAME

GATE = select(_IS_STOPPED).where(_ROW).with_for_update(read=True)
"""Whether it is stopped, so that a stop waits for this claim."""

IS_RUNNING = not_(
    exists(select(literal_column("1")).where(_ROW, literal_column("1") == _IS_STOPPED))
)
"""The same as a condition, without locks."""

MOST_RUNNING = 100
"""How many of the tasks in progress are listed: those that run longest."""

_STATE = select(_IS_STOPPED, _SETTINGS.c.reason, _SETTINGS.c.updated_at).where(_ROW)
_RUNNING = (
    select(
        _TASKS.c.id, _TASKS.c.account_id, _TASKS.c.started_at, func.count().over().label("total")
    )
    .with_hint(_TASKS, f"FORCE INDEX ({STATUS_INDEX})", "mysql")
    .where(
        _TASKS.c.status == literal_column(f"'{Status.IN_PROGRESS}'"),
        _TASKS.c.delete_requested_at.is_(None),
        _TASKS.c.queue != CALLBACK_QUEUE,
    )
    .order_by(_TASKS.c.started_at, _TASKS.c.id)
    .limit(MOST_RUNNING)
)


@dataclass(frozen=True, slots=True)
class State:
    """Whether the dispatcher runs, since when, and why in the words of who set it so."""

    is_running: bool
    reason: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """The tasks in progress: how many, and those that run longest (id, account_id, started_at)."""

    count: int
    longest: Sequence[Any]


def state(connection: Connection) -> State:
    """Return how it stands. Takes no locks."""
    row = connection.execute(_STATE).one_or_none()
    return State(is_running=True) if row is None else State(not row[0], row[1], row[2])


def set_running(connection: Connection, reason: str | None, *, is_running: bool) -> None:
    """Start or stop it; where that is so already, nothing changes.

    Waits for the claims under way. What runs may finish.
    """
    new = insert(Setting).values(name=_NAME, value={"is_running": is_running}, reason=reason)
    is_new = literal_column(str(int(is_running))) == _IS_STOPPED
    # In this order: the reason is decided by the value as it was.
    changes = [
        (name, func.if_(is_new, new.inserted[name], _SETTINGS.c[name]))
        for name in ("reason", "value")
    ]
    connection.execute(new.on_duplicate_key_update(changes))


def lets_through(connection: Connection) -> bool:
    """Whether a claim may go on; a stop waits for the end of its transaction."""
    return not connection.execute(GATE).scalar_one_or_none()


def running(connection: Connection) -> Running:
    """Return what runs, without callbacks and what was deleted; the slots bound it."""
    rows = connection.execute(_RUNNING).all()
    return Running(rows[0].total if rows else 0, rows)
