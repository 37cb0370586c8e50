"""Making, moving and reading schedules, in as few words as a test wants to spend on it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from schema import firing, schedule_listing, schedules
from schema.firing import Fired
from schema.runtime.transactions import transaction
from schema.schedule_fields import ScheduleCreation
from schema.schedules import ScheduleRow
from tests.rows import rows


def make_schedule(engine: Engine, **fields: Any) -> int:
    """Create a schedule as a client does, without windows unless told, and return its id."""
    creation = ScheduleCreation(**{"name": "a schedule", "valid_time_range": None} | fields)
    with transaction(engine) as connection:
        return schedules.create(connection, creation.columns("UTC"))


def schedule(engine: Engine, schedule_id: int) -> ScheduleRow:
    """Return a schedule's row."""
    with engine.connect() as connection:
        return schedule_listing.find(connection, schedule_id)


def change_schedule(engine: Engine, schedule_id: int, assignments: str) -> None:
    """Change a row as a DBA would."""
    with transaction(engine) as connection:
        connection.exec_driver_sql(f"UPDATE schedules SET {assignments} WHERE id = {schedule_id}")


def let_fall_due(engine: Engine, schedule_id: int, *, seconds_ago: float = 0) -> datetime:
    """Let a schedule have fallen due, and return when."""
    moment = f"UTC_TIMESTAMP(6) - INTERVAL {seconds_ago} SECOND"
    change_schedule(engine, schedule_id, f"next_execution_time = {moment}")
    due: datetime = schedule(engine, schedule_id)["next_execution_time"]
    return due


def fire(engine: Engine) -> list[Fired]:
    """Fire what is due, one page, as the reaper does."""
    with transaction(engine) as connection:
        return firing.fire(connection, firing.due(connection, limit=100))


def tasks_of(engine: Engine, schedule_id: int) -> list[dict[str, Any]]:
    """Return the tasks that a schedule made, oldest first."""
    return rows(engine, f"SELECT * FROM tasks WHERE schedule_id = {schedule_id} ORDER BY id")


def now(engine: Engine) -> datetime:
    """Return the moment by the server's clock."""
    moment: datetime = rows(engine, "SELECT UTC_TIMESTAMP(6) AS now")[0]["now"]
    return moment


SOON = timedelta(seconds=10)
