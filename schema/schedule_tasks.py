"""What became of the last runs of schedules."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from schema.states import State, state_of

_LAST = """(SELECT schedule_id, id, status, stage
FROM tasks FORCE INDEX (ix_tasks_schedule_id_id)
WHERE schedule_id = %s AND delete_requested_at IS NULL ORDER BY id DESC LIMIT %s)"""


@dataclass(frozen=True, slots=True)
class RunTask:
    """A task that a schedule made."""

    task_id: int
    state: State


def last_tasks(
    connection: Connection, schedule_ids: Sequence[int], *, limit: int
) -> dict[int, list[RunTask]]:
    """Return up to `limit` tasks of each schedule, by its id, the oldest of them first."""
    found: dict[int, list[RunTask]] = {each: [] for each in schedule_ids}
    if not schedule_ids:
        return found
    statement = " UNION ALL ".join([_LAST] * len(schedule_ids))
    values = tuple(value for each in schedule_ids for value in (each, limit))
    rows = connection.exec_driver_sql(statement, values).all()
    for schedule_id, task_id, status, stage in sorted(rows, key=lambda row: row[1]):
        found[schedule_id].append(RunTask(task_id, state_of(status, stage)))
    return found
