"""Schedules as people change them: create, edit, delete, pause, resume, reorder.

When they fire is in `schema.firing`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from schema import file_references, workflows
from schema.file_references import references
from schema.models.schedules import Schedule, ScheduleStatus
from schema.models.tasks import Task
from schema.recurrence import Recurrence
from schema.runtime.errors import is_duplicate_key
from schema.schedule_errors import (
    ScheduleBeyondEndError,
    ScheduleBrokenError,
    ScheduleExistsError,
    ScheduleMissingError,
    ScheduleNeverRunsError,
    ScheduleStatusError,
    ScheduleTaskRunsError,
)
from schema.schedule_moves import GOALS, MOVES, ScheduleVerb
from schema.states import Status
from schema.templates import task_of
from schema.times import from_database, to_database

_SCHEDULES = Schedule.__table__

ScheduleRow = dict[str, Any]
"""A row of `schedules`; one that was locked also has `now`, the moment by the server's clock."""

TIMING = frozenset(
    {"interval_seconds", "cron", "timezone", "valid_time_range", "start_at", "task_end_time"}
)
"""Columns that decide when it runs next."""

WORKFLOW = frozenset({"task_type", "queue", "payload"})
"""Columns that decide whether its tasks are workflows that can be run."""


def create(connection: Connection, columns: Mapping[str, Any]) -> int:
    """Create a schedule from its columns and return its id.

    Raises ScheduleExistsError, ScheduleNeverRunsError, TemplateError, and FilesMissingError when
    its payload refers to a file that is not there.
    """
    now = from_database(connection.execute(select(func.utc_timestamp(6))).scalar_one())
    task_of(columns, round_num=1, due=now)
    file_references.require(connection, [references(columns["payload"])])
    first = Recurrence.of(columns).first(now)
    if first is None:
        raise ScheduleNeverRunsError
    try:
        new = insert(Schedule).values(**columns, next_execution_time=to_database(first))
        return int(connection.execute(new).lastrowid)
    except IntegrityError as error:
        raise _exists(connection, columns, error) from None


def edit(connection: Connection, schedule_id: int, changes: Mapping[str, Any]) -> None:
    """Change columns of a schedule. Where its times change, its next run does.

    A completed one goes on when its end or its rounds are moved. Raises what `create` does,
    ScheduleMissingError, ScheduleBrokenError, and pydantic's ValidationError when its tasks are
    workflows that could not be run.
    """
    row = locked(connection, schedule_id)
    changed = {**row, **changes}
    if changed["task_type"] == workflows.TASK_TYPE and not WORKFLOW.isdisjoint(changes):
        workflows.check(changed["queue"], changed["payload"])
    now = from_database(row["now"])
    times = _times(changed, changes.keys(), now)
    task_of(changed, round_num=row["round_num"] + 1, due=now)
    is_revived = row["status"] == ScheduleStatus.COMPLETED
    payload = changed["payload"] if is_revived else changes.get("payload")
    file_references.require(connection, [references(payload)])
    try:
        _update(connection, row, {**changes, **times})
    except IntegrityError as error:
        raise _exists(connection, changed, error) from None


def remove(connection: Connection, schedule_id: int) -> None:
    """Delete a schedule; its tasks stay. Raises ScheduleMissingError."""
    if connection.execute(delete(Schedule).where(Schedule.id == schedule_id)).rowcount == 0:
        raise ScheduleMissingError(schedule_id)


def pause(connection: Connection, schedule_id: int) -> None:
    """Let a schedule not run until it is resumed.

    Raises ScheduleMissingError and ScheduleStatusError.
    """
    row = locked(connection, schedule_id)
    if judge(ScheduleVerb.PAUSE, row):
        paused = {"status": ScheduleStatus.PAUSED, "next_execution_time": None}
        _update(connection, row, paused)


def resume(connection: Connection, schedule_id: int) -> None:
    """Let a paused schedule run again, an interval after its last run at the soonest.

    One whose end has come is completed. Raises ScheduleMissingError, ScheduleStatusError and
    ScheduleBrokenError.
    """
    row = locked(connection, schedule_id)
    if judge(ScheduleVerb.RESUME, row):
        run = _first(row, from_database(row["now"]))
        _update(connection, row, _standing(run))


def reorder(connection: Connection, schedule_id: int, seconds: float) -> None:
    """Move the next run by seconds, negative is sooner; those after it follow their own rule.

    It does not come before now or `start_at`, and where it would lie outside the windows it
    goes to the opening of the next. Raises ScheduleMissingError, ScheduleStatusError,
    ScheduleTaskRunsError, ScheduleBeyondEndError and ScheduleBrokenError.
    """
    row = locked(connection, schedule_id)
    judge(ScheduleVerb.REORDER, row)
    if _task_runs(connection, row):
        raise ScheduleTaskRunsError(row)
    now = from_database(row["now"])
    wanted = from_database(row["next_execution_time"]) + timedelta(seconds=seconds)
    moved = replace(recurrence_of(row), cron=None).first(max(wanted, now))
    if moved is None:
        raise ScheduleBeyondEndError
    _update(connection, row, {"next_execution_time": to_database(moved)})


def locked(connection: Connection, schedule_id: int) -> ScheduleRow:
    """Lock a schedule and return its row. Raises ScheduleMissingError."""
    wanted = select(_SCHEDULES, func.utc_timestamp(6).label("now"))
    found = connection.execute(wanted.where(_SCHEDULES.c.id == schedule_id).with_for_update())
    row = found.mappings().one_or_none()
    if row is None:
        raise ScheduleMissingError(schedule_id)
    return dict(row)


def judge(verb: ScheduleVerb, row: ScheduleRow) -> bool:
    """Whether a verb is to be done to a locked schedule; False where its goal holds already.

    Raises ScheduleStatusError where the status does not allow it.
    """
    status = ScheduleStatus(row["status"])
    if status in MOVES[verb]:
        return True
    if GOALS.get(verb) is status:
        return False
    raise ScheduleStatusError(verb, row)


def recurrence_of(row: ScheduleRow) -> Recurrence:
    """Return when a schedule runs. Raises ScheduleBrokenError."""
    try:
        return Recurrence.of(row)
    except ValueError as error:
        raise ScheduleBrokenError(row["id"], str(error)) from None


def ran_last(row: ScheduleRow) -> datetime:
    """Return when a schedule ran last, or was created."""
    return from_database(row["last_execution_time"] or row["created_at"])


def has_rounds_left(row: ScheduleRow) -> bool:
    """Whether a schedule may run once more."""
    return row["max_rounds"] is None or row["round_num"] < row["max_rounds"]


def _first(row: ScheduleRow, now: datetime) -> datetime | None:
    last = row["last_execution_time"]
    recurrence = recurrence_of(row)
    return recurrence.first(now, last and from_database(last)) if has_rounds_left(row) else None


def _standing(run: datetime | None) -> dict[str, Any]:
    status = ScheduleStatus.COMPLETED if run is None else ScheduleStatus.ACTIVE
    return {"status": status, "next_execution_time": to_database(run)}


def _times(row: ScheduleRow, changed: Iterable[str], now: datetime) -> dict[str, Any]:
    """Return the status and the next run of an edited schedule, where they change."""
    run = _first(row, now)
    if run is None and replace(recurrence_of(row), end_day=None).first(now) is None:
        raise ScheduleNeverRunsError
    is_new = not TIMING.isdisjoint(changed)
    match ScheduleStatus(row["status"]):
        case ScheduleStatus.PAUSED:
            return {}
        case ScheduleStatus.ACTIVE:
            return _standing(run) if is_new or run is None else {}
        case ScheduleStatus.COMPLETED:
            return _standing(run) if is_new or "max_rounds" in changed else {}


def _update(connection: Connection, row: ScheduleRow, changes: Mapping[str, Any]) -> None:
    change = update(Schedule).where(Schedule.id == row["id"], Schedule.status == row["status"])
    done = connection.execute(change.values(**changes, version=Schedule.version + 1))
    if done.rowcount != 1:
        raise AssertionError("a locked row changed")


def _exists(connection: Connection, columns: Mapping[str, Any], error: IntegrityError) -> Exception:
    """Return what a refused row means: which schedule is live already."""
    if not is_duplicate_key(error):
        return error
    live = select(_SCHEDULES.c.id).where(
        _SCHEDULES.c.live == 1,
        _SCHEDULES.c.task_type == columns["task_type"],
        _SCHEDULES.c.account_id == columns["account_id"],
    )
    existing_id = connection.execute(live).scalar_one_or_none()
    return error if existing_id is None else ScheduleExistsError(existing_id)


def _task_runs(connection: Connection, row: ScheduleRow) -> bool:
    running = select(Task.id).where(
        Task.id == row["last_task_id"], Task.status == Status.IN_PROGRESS
    )
    return connection.execute(running).first() is not None
