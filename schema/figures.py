"""How things stand in figures, for monitors: cheap to read, however many tasks there are."""

from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from schema import pressure
from schema.pressure import Pressure

_TASKS = "SELECT queue, status, SUM(task_count) FROM queue_counts GROUP BY queue, status"
_QUEUES = "SELECT queue, in_progress, oldest_age_seconds FROM v_queue_depth"
_WORKERS = """SELECT status, COUNT(*), SUM(slots) FROM workers
WHERE status IN ('alive', 'draining') GROUP BY status"""
_SCHEDULE_LAG = """SELECT COALESCE(MAX(TIMESTAMPDIFF(MICROSECOND, next_execution_time,
    UTC_TIMESTAMP(6))), 0) / 1e6
FROM schedules WHERE status = 'active' AND next_execution_time <= UTC_TIMESTAMP(6)"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Tasks by queue and status as counted; what runs and the oldest age (seconds) by queue.

    Workers and their slots by status; by how many seconds the latest schedule is late; what holds
    up the purge, None where the user may not see it.
    """

    tasks: dict[tuple[str, str], int]
    oldest_age_seconds: dict[str, float]
    workers: dict[str, tuple[int, int]]
    schedule_lag_seconds: float
    pressure: Pressure | None


def read(connection: Connection) -> Figures:
    """Return the figures; five statements without locks."""
    counted = connection.exec_driver_sql(_TASKS)
    tasks = {(queue, status): int(count) for queue, status, count in counted}
    ages: dict[str, float] = {}
    for queue, in_progress, age in connection.exec_driver_sql(_QUEUES):
        tasks[queue, "in_progress"] = in_progress
        ages[queue] = float(age)
    workers = {
        status: (count, int(slots)) for status, count, slots in connection.exec_driver_sql(_WORKERS)
    }
    lag = float(connection.exec_driver_sql(_SCHEDULE_LAG).scalar_one())
    return Figures(tasks, ages, workers, lag, _pressure(connection))


def _pressure(connection: Connection) -> Pressure | None:
    try:
        return pressure.look(connection)
    except DBAPIError:
        return None
