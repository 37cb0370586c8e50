"""Firing: schedules that are due make their tasks, each due time once.

Whoever fires locks the rows, creates the tasks, and moves each schedule on by an UPDATE that is
guarded by the due time it saw, all in one transaction: any number of reapers may be at it.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from schema import tasks, verbs
from schema.models.schedules import Misfire, Overlap, Schedule, ScheduleStatus
from schema.models.tasks import Task
from schema.new_task import NewTask
from schema.recurrence import Recurrence
from schema.schedule_errors import ScheduleBrokenError
from schema.schedule_moves import ScheduleVerb
from schema.schedules import ScheduleRow, judge, locked, ran_last
from schema.statements import DUE_SCHEDULES
from schema.states import FINISHED, Verb
from schema.templates import task_of
from schema.times import from_database, to_database
from schema.verbs import Order

MISFIRE_GRACE = timedelta(seconds=5)
"""A run that is later than this fell due while nobody ran."""

_SCHEDULES = Schedule.__table__
_LOCK = (
    select(_SCHEDULES, func.utc_timestamp(6).label("now"))
    .with_hint(_SCHEDULES, "FORCE INDEX (PRIMARY)", "mysql")
    .where(
        _SCHEDULES.c.id.in_(bindparam("ids", expanding=True)),
        _SCHEDULES.c.status == ScheduleStatus.ACTIVE,
        _SCHEDULES.c.next_execution_time <= func.utc_timestamp(6),
    )
    .order_by(_SCHEDULES.c.id)
    .with_for_update(skip_locked=True)
)
_MOVE_ON = (
    update(Schedule)
    .where(
        _SCHEDULES.c.id == bindparam("schedule_id"),
        _SCHEDULES.c.next_execution_time.is_not_distinct_from(bindparam("was_due")),
    )
    .values(
        status=bindparam("new_status"),
        next_execution_time=bindparam("new_next_execution_time"),
        last_execution_time=bindparam("new_last_execution_time"),
        round_num=bindparam("new_round_num"),
        last_task_id=bindparam("new_last_task_id"),
        version=_SCHEDULES.c.version + 1,
    )
)
_REPLACE = Order(Verb.STOP, "schedule", "replaced by the next run of its schedule")


class FiredTwiceError(Exception):
    """A locked schedule had moved on: the server did not keep its locks."""


@dataclass(frozen=True, slots=True)
class Fired:
    """What came of a schedule that was due: its new task, or the trouble with it, or neither."""

    schedule_id: int
    task_id: int | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a locked schedule, decided and not yet written.

    `task` is None where the run is passed over, `next_run` where the schedule has none.
    """

    row: ScheduleRow
    at: datetime
    next_run: datetime | None
    task: NewTask | None = None
    trouble: str | None = None


def due(connection: Connection, limit: int) -> list[int]:
    """Return ids of schedules that are due, the longest overdue first. Takes no locks."""
    return list(connection.exec_driver_sql(DUE_SCHEDULES, (limit,)).scalars())


def fire(connection: Connection, schedule_ids: Sequence[int]) -> list[Fired]:
    """Fire those schedules that are due, and return what came of each.

    Looks twice: what another reaper is at or has fired is left alone. One whose template makes
    no task passes its run over, one whose times cannot be read is paused; both say so.
    """
    rows = _lock(connection, schedule_ids)
    unfinished = _unfinished(connection, rows)
    return _write(connection, [_decided(row, unfinished) for row in rows], unfinished)


def pass_over(connection: Connection, schedule_id: int, trouble: str) -> list[Fired]:
    """Move a schedule that is due on without a task, because of some trouble."""
    runs = [_passed_over(row, trouble) for row in _lock(connection, [schedule_id])]
    return _write(connection, runs, ())


def run_now(connection: Connection, schedule_id: int) -> int:
    """Make a task of a schedule now, whatever its windows say, and return its id.

    It counts as a round; the next run stays where it is. A last task that is not finished is
    replaced where the schedule says so, and else goes on beside it. Raises ScheduleMissingError,
    ScheduleStatusError and ScheduleBrokenError.
    """
    row = locked(connection, schedule_id)
    judge(ScheduleVerb.RUN, row)
    now = from_database(row["now"])
    next_run = row["next_execution_time"] and from_database(row["next_execution_time"])
    try:
        task = task_of(row, round_num=row["round_num"] + 1, due=now)
    except ValueError as error:
        raise ScheduleBrokenError(schedule_id, str(error)) from None
    run = Run(row, now, next_run, task)
    [fired] = _write(connection, [run], _unfinished(connection, [row]))
    if fired.task_id is None:
        raise AssertionError("a run with a task makes one")
    return fired.task_id


def _lock(connection: Connection, schedule_ids: Sequence[int]) -> list[ScheduleRow]:
    return [dict(row) for row in connection.execute(_LOCK, {"ids": schedule_ids}).mappings()]


def _unfinished(connection: Connection, rows: Sequence[ScheduleRow]) -> set[int]:
    """Return those of the schedules' last tasks that are not finished."""
    last = [row["last_task_id"] for row in rows if row["last_task_id"] is not None]
    live = select(Task.id).where(Task.id.in_(last), Task.status.not_in(sorted(FINISHED)))
    return set(connection.execute(live).scalars()) if last else set()


def _decided(row: ScheduleRow, unfinished: Container[int]) -> Run:
    due_at, now = from_database(row["next_execution_time"]), from_database(row["now"])
    is_late = now - due_at > MISFIRE_GRACE
    is_skipped = is_late and row["misfire"] == Misfire.SKIP
    is_held_up = row["overlap"] == Overlap.SKIP and row["last_task_id"] in unfinished
    try:
        next_run = _next_run(row, due_at, now)
        task = task_of(row, round_num=row["round_num"] + 1, due=due_at)
    except ValueError as error:
        return _passed_over(row, str(error))
    return Run(
        row,
        now if is_late else due_at,
        next_run,
        None if is_skipped or is_held_up else task,
    )


def _passed_over(row: ScheduleRow, trouble: str) -> Run:
    due_at, now = from_database(row["next_execution_time"]), from_database(row["now"])
    try:
        return Run(row, due_at, _next_run(row, due_at, now), trouble=trouble)
    except ValueError:
        paused = {**row, "status": ScheduleStatus.PAUSED}
        return Run(paused, due_at, None, trouble=f"{trouble}; it is paused")


def _next_run(row: ScheduleRow, due_at: datetime, now: datetime) -> datetime | None:
    recurrence = Recurrence.of(row)
    if row["misfire"] == Misfire.ALL:
        return recurrence.following(due_at, ran_last(row))
    return recurrence.following_past(due_at, ran_last(row), now)


def _write(connection: Connection, runs: Sequence[Run], unfinished: Container[int]) -> list[Fired]:
    if not runs:
        return []
    making = [run for run in runs if run.task is not None]
    replaced = [
        run.row["last_task_id"]
        for run in making
        if run.row["overlap"] == Overlap.REPLACE and run.row["last_task_id"] in unfinished
    ]
    verbs.apply(connection, _REPLACE, replaced)
    new_ids = iter(tasks.create(connection, [run.task for run in runs if run.task is not None]))
    fired = [
        Fired(run.row["id"], next(new_ids) if run.task is not None else None, run.trouble)
        for run in runs
    ]
    changes = [_change(run, each.task_id) for run, each in zip(runs, fired, strict=True)]
    if connection.execute(_MOVE_ON, changes).rowcount != len(runs):
        raise FiredTwiceError
    return fired


def _change(run: Run, task_id: int | None) -> dict[str, Any]:
    row, is_made = run.row, task_id is not None
    round_num = row["round_num"] + is_made
    has_run_out = row["max_rounds"] is not None and round_num >= row["max_rounds"]
    is_over = has_run_out or (run.next_run is None and row["status"] == ScheduleStatus.ACTIVE)
    return {
        "schedule_id": row["id"],
        "was_due": row["next_execution_time"],
        "new_status": ScheduleStatus.COMPLETED if is_over else row["status"],
        "new_next_execution_time": None if is_over else to_database(run.next_run),
        "new_last_execution_time": to_database(run.at) if is_made else row["last_execution_time"],
        "new_round_num": round_num,
        "new_last_task_id": task_id if is_made else row["last_task_id"],
    }
