"""Whether work is left: for a worker that ends when none is.

Tasks of types that the worker has no handler for are another's, and those that wait until
somebody lets them go are nobody's, as in a paused queue or with the dispatcher stopped: they do
not count.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Exists,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
)

from schema.dispatcher import IS_RUNNING
from schema.models.metadata import Moment
from schema.models.queues import Queue
from schema.models.tasks import CLAIM_INDEX, STATUS_INDEX, Task
from schema.states import Priority, Status

_QUEUES = Queue.__table__
_TASKS = Task.__table__


def _exists(index: str, *conditions: Any) -> Exists:
    """Return whether a queue has such a task, looked up in an index."""
    return exists(
        select(literal_column("1"))
        .select_from(_TASKS)
        .with_hint(_TASKS, f"FORCE INDEX ({index})", "mysql")
        .where(
            *conditions,
            _TASKS.c.queue == _QUEUES.c.name,
            _TASKS.c.task_type.in_(bindparam("types", expanding=True)),
        )
        .correlate(_QUEUES)
    )


_CLAIMABLE = _TASKS.c.claimable == literal_column("1")
_DUE = or_(
    *(
        _exists(
            CLAIM_INDEX,
            _CLAIMABLE,
            _TASKS.c.priority == literal_column(f"'{priority}'"),
            _TASKS.c.available_at <= bindparam("moment"),
        )
        for priority in Priority
    )
)
_WAITING = _exists(CLAIM_INDEX, _CLAIMABLE)
_RUNNING = _exists(STATUS_INDEX, _TASKS.c.status == literal_column(f"'{Status.IN_PROGRESS}'"))
_PASSABLE = and_(func.coalesce(_QUEUES.c.max_concurrency, 1) > literal_column("0"), IS_RUNNING)
_NOT_PAUSED = _QUEUES.c.is_paused == false()
_OPEN = or_(_NOT_PAUSED, _QUEUES.c.resume_at <= func.utc_timestamp(6))
_OPEN_LATER = or_(_NOT_PAUSED, _QUEUES.c.resume_at.is_not(None))
_NOW = select(func.utc_timestamp(6, type_=Moment))
_NAMES = select(_QUEUES.c.name).order_by(_QUEUES.c.name)
_WITH_DUE = _NAMES.where(_PASSABLE, _OPEN, _DUE)
_WITH_UNFINISHED = _NAMES.where(or_(and_(_PASSABLE, _OPEN_LATER, _WAITING), _RUNNING))


def now(connection: Connection) -> datetime:
    """Return the database's time."""
    return connection.execute(_NOW).scalar_one()


def queues_with_due(
    connection: Connection, task_types: Collection[str], moment: datetime
) -> Sequence[str]:
    """Return the open queues in which a task waits that was due at `moment`."""
    parameters = {"types": sorted(task_types), "moment": moment}
    return connection.execute(_WITH_DUE, parameters).scalars().all()


def queues_with_unfinished(connection: Connection, task_types: Collection[str]) -> Sequence[str]:
    """Return the queues in which a task waits, due or not, or is in progress on any worker.

    One statement, so that a task on its way from the one to the other is seen.
    """
    return connection.execute(_WITH_UNFINISHED, {"types": sorted(task_types)}).scalars().all()
