"""What a worker writes and asks about the leases that it holds, while their handlers run."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from schema.attempts import Hold, Progress
from schema.runtime.changes import note
from schema.statements import HELD_BY, HOLDS, REPORT, SAVE, UNLOCKED


def save(connection: Connection, hold: Hold, checkpoint: str) -> bool:
    """Save a checkpoint (JSON text) for the next attempt; False when the lease was lost."""
    note(connection, hold[:1])
    return connection.exec_driver_sql(SAVE, (checkpoint, *hold)).rowcount == 1


def report(connection: Connection, progress: Mapping[Hold, Progress]) -> set[Hold]:
    """Write the progress of attempts, and return of which it was written.

    Not of lost leases, and not of tasks that somebody else has locked: those hold up nobody.
    Progress raises no version, a change of stage does.
    """
    if not progress:
        return set()
    ids = ",".join(str(task_id) for task_id, _ in progress)
    free = {(row.id, row.fence) for row in connection.exec_driver_sql(UNLOCKED.format(ids=ids))}
    for hold in sorted(free & progress.keys()):
        told = progress[hold]
        values = (told.stage, told.stage, told.percent, told.message, *hold)
        connection.exec_driver_sql(REPORT, values)
    note(connection, (task_id for task_id, _ in free))
    return free & progress.keys()


def check(connection: Connection, holds: Iterable[Hold]) -> tuple[set[Hold], set[Hold]]:
    """Return those of the leases that are lost, and those whose tasks are asked to stop."""
    believed = set(holds)
    if not believed:
        return set(), set()
    ids = ",".join(str(task_id) for task_id, _ in believed)
    found = {
        (row.id, row.fence): row.is_stopping
        for row in connection.exec_driver_sql(HOLDS.format(ids=ids))
    }
    stopping = {hold for hold in believed & found.keys() if found[hold]}
    return believed - found.keys(), stopping


def held_by(connection: Connection, worker_id: str) -> set[Hold]:
    """Return all leases that the database says a worker holds."""
    rows = connection.exec_driver_sql(HELD_BY, (worker_id,))
    return {(row.id, row.fence) for row in rows}
