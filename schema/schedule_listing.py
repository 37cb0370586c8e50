"""Reading schedules: one by its id, many by a filter, newest first, and their next runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from schema.limits import COUNT_LIMIT
from schema.models.schedules import Schedule
from schema.schedule_errors import ScheduleMissingError
from schema.schedules import ScheduleRow, ran_last, recurrence_of
from schema.times import from_database

_SCHEDULES = Schedule.__table__
_LISTED = tuple(column for column in _SCHEDULES.c if column.key not in {"payload", "live"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFilter:
    """Which schedules: those that match all fields. Several values mean any of them."""

    status: Sequence[str] = ()
    task_type: Sequence[str] = ()
    queue: Sequence[str] = ()
    account_id: Sequence[str] = ()


def find(connection: Connection, schedule_id: int) -> ScheduleRow:
    """Return one schedule. Raises ScheduleMissingError."""
    wanted = select(_SCHEDULES).where(_SCHEDULES.c.id == schedule_id)
    row = connection.execute(wanted).mappings().one_or_none()
    if row is None:
        raise ScheduleMissingError(schedule_id)
    return dict(row)


def page(
    connection: Connection,
    wanted: ScheduleFilter,
    *,
    limit: int,
    offset: int = 0,
    before_id: int | None = None,
) -> list[ScheduleRow]:
    """Return up to `limit` schedules without payloads, newest first, from below `before_id`."""
    query = _filtered(select(*_LISTED), wanted).order_by(_SCHEDULES.c.id.desc())
    if before_id is not None:
        query = query.where(_SCHEDULES.c.id < before_id)
    found = connection.execute(query.limit(limit).offset(offset))
    return [dict(row) for row in found.mappings()]


def count(connection: Connection, wanted: ScheduleFilter) -> int:
    """Return how many schedules match, counted up to COUNT_LIMIT."""
    matching = _filtered(select(_SCHEDULES.c.id), wanted).limit(COUNT_LIMIT).subquery()
    return connection.execute(select(func.count()).select_from(matching)).scalar_one()


def next_runs(row: ScheduleRow, limit: int) -> list[datetime]:
    """Return when a schedule runs next, if every run makes a task: none while it is paused.

    The first is its next_execution_time, at most `limit` are returned. Raises
    ScheduleBrokenError.
    """
    if row["next_execution_time"] is None:
        return []
    if row["max_rounds"] is not None:
        limit = min(limit, row["max_rounds"] - row["round_num"])
    recurrence, ran = recurrence_of(row), ran_last(row)
    runs = [from_database(row["next_execution_time"])]
    while len(runs) < limit and (run := recurrence.following(runs[-1], ran)) is not None:
        ran = runs[-1]
        runs.append(run)
    return runs


def _filtered(query: Select[Any], wanted: ScheduleFilter) -> Select[Any]:
    for column, values in (
        (_SCHEDULES.c.status, wanted.status),
        (_SCHEDULES.c.task_type, wanted.task_type),
        (_SCHEDULES.c.queue, wanted.queue),
        (_SCHEDULES.c.account_id, wanted.account_id),
    ):
        if values:
            query = query.where(column.in_(values))
    return query
