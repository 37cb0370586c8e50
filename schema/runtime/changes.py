"""Which tasks a transaction changes: noted beside it, told once it is committed.

Who wants to hear of it listens on an engine. Where nobody does, a note costs a look at a dict.
"""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import Connection, Engine, event

Tell = Callable[[AbstractSet[int]], None]
"""Takes the ids of changed tasks, in the thread that committed; must not block, raise or keep
the set."""

_NOTED = "changed_tasks"
_TELL = "tell_changed_tasks"


def note(connection: Connection, task_ids: Iterable[int]) -> None:
    """Note that the transaction under way changes tasks."""
    noted = connection.info.get(_NOTED)
    if noted is not None:
        noted.update(task_ids)


def tell(connection: Connection) -> None:
    """Tell what the transaction changed that has ended: by COMMIT, or nobody knows how."""
    noted = connection.info.get(_NOTED)
    if noted:
        connection.info[_TELL](noted)
        noted.clear()


def listen(engine: Engine, tell: Tell) -> None:
    """Have `tell` called after each COMMIT on this engine that changed tasks."""

    def begin(_dbapi: Any, record: Any, _proxy: Any) -> None:
        record.info[_NOTED] = set()
        record.info[_TELL] = tell

    def forget(connection: Connection) -> None:
        connection.info[_NOTED].clear()

    event.listen(engine, "checkout", begin)
    event.listen(engine, "rollback", forget)
