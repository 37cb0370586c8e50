"""Unique keys: at most one unfinished task has each. The index holds it, this says who has one."""

from collections.abc import Collection

from sqlalchemy import Connection

from schema.statements import KEY_HOLDERS


class UniqueKeyTakenError(Exception):
    """Another unfinished task has the key; `task_id` is that task's."""

    def __init__(self, unique_key: str, task_id: int) -> None:
        super().__init__(f"task {task_id} has the unique_key {unique_key!r}")
        self.unique_key = unique_key
        self.task_id = task_id


def holders(connection: Connection, keys: Collection[str]) -> dict[str, int]:
    """Return the unfinished task that has each key, of those that one has.

    They cannot end or go before this transaction does. Waits for whoever is about to take or to
    free one of the keys.
    """
    if not keys:
        return {}
    statement = KEY_HOLDERS.format(keys=",".join(["%s"] * len(keys)))
    rows = connection.exec_driver_sql(statement, tuple(sorted(keys)))
    return {row.live_unique_key: row.id for row in rows}
