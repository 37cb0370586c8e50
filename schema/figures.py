"""How things stand in figures, for monitors: cheap to read, however many tasks there are."""

from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from schema import pressure
from schema.models.tasks import STATUS_INDEX
from schema.pressure import Pressure

MOST_QUEUES = 1_000
"""Queues of which figures are told, by their names."""

_TASKS = "SELECT queue, status, SUM(task_count) FROM queue_counts GROUP BY queue, status"
_QUEUES = f"""SELECT queue, in_progress, oldest_age_seconds FROM v_queue_depth
ORDER BY queue LIMIT {MOST_QUEUES}"""  # noqa: S608  # a constant
_WORKERS = """SELECT status, COUNT(*), SUM(slots) FROM workers
WHERE status IN ('alive', 'draining') GROUP BY status"""
_SCHEDULE_LAG = """SELECT COALESCE(MAX(TIMESTAMPDIFF(MICROSECOND, next_execution_time,
    UTC_TIMESTAMP(6))), 0) / 1e6
FROM schedules WHERE status = 'active' AND next_execution_time <= UTC_TIMESTAMP(6)"""
_REAPER_LAG = f"""SELECT COALESCE(MAX(TIMESTAMPDIFF(MICROSECOND, lease_expires_at,
    UTC_TIMESTAMP(6))), 0) / 1e6
FROM tasks FORCE INDEX ({STATUS_INDEX})
WHERE status = 'in_progress' AND lease_expires_at <= UTC_TIMESTAMP(6)"""  # noqa: S608  # a constant


@dataclass(frozen=True, slots=True)
class Figures:
    """Tasks by queue and status as counted; what runs and the oldest age (seconds) by queue.

    Workers and their slots by status; by how many seconds the latest schedule is late, and the
    lease that was over first and is not taken back; what holds up the purge, None where neither
    this user nor a reaper may see it.
    """

    tasks: dict[tuple[str, str], int]
    oldest_age_seconds: dict[str, float]
    workers: dict[str, tuple[int, int]]
    schedule_lag_seconds: float
    reaper_lag_seconds: float
    pressure: Pressure | None


def read(connection: Connection) -> Figures:
    """Return the figures; six statements without locks."""
    ages: dict[str, float] = {}
    tasks: dict[tuple[str, str], int] = {}
    for queue, in_progress, age in connection.exec_driver_sql(_QUEUES):
        tasks[queue, "in_progress"] = in_progress
        ages[queue] = float(age)
    for queue, status, count in connection.exec_driver_sql(_TASKS):
        if queue in ages and status != "in_progress":
            tasks[queue, status] = int(count)
    workers = {
        status: (count, int(slots)) for status, count, slots in connection.exec_driver_sql(_WORKERS)
    }
    lag = float(connection.exec_driver_sql(_SCHEDULE_LAG).scalar_one())
    reaper_lag = float(connection.exec_driver_sql(_REAPER_LAG).scalar_one())
    return Figures(tasks, ages, workers, lag, reaper_lag, _pressure(connection))


def _pressure(connection: Connection) -> Pressure | None:
    try:
        return pressure.look(connection)
    except DBAPIError:
        return pressure.noted(connection)
