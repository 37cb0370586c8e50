"""What is told of tasks that changed: the change notices."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection

from schema.statements import NOTICED

DELETED = "deleted"


class Notice(NamedTuple):
    """A task as it is since its last change.

    `status` is "deleted" when it is gone for readers; then nothing else is known of it.
    """

    id: int
    version: int | None
    status: str
    queue: str | None


def read(connection: Connection, task_ids: Collection[int]) -> list[Notice]:
    """Return a notice for each of the tasks. One statement; call it after their COMMIT."""
    statement = NOTICED.format(ids=",".join(map(str, task_ids)))
    found = {row[0]: Notice(*row) for row in connection.exec_driver_sql(statement)}
    return [found.get(task_id) or Notice(task_id, None, DELETED, None) for task_id in task_ids]
