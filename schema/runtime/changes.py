"""Which tasks a transaction changes: noted beside it, told once it is committed.

Who wants to hear of it listens on an engine. Where nobody does, a note costs a look at a dict.
"""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from functools import partial
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


def telling(connection: Connection) -> Callable[[], None]:
    """Return what tells of the transaction under way, to be called after its COMMIT.

    Asked for before: a connection that is lost then says nothing any more.
    """
    noted = connection.info.get(_NOTED)
    return partial(_tell, noted, connection.info[_TELL]) if noted else _tell_nothing


def listen(engine: Engine, tell: Tell) -> None:
    """Have `tell` called after each COMMIT on this engine that changed tasks."""

    def begin(_dbapi: Any, record: Any, _proxy: Any) -> None:
        record.info[_NOTED] = set()
        record.info[_TELL] = tell

    def forget(connection: Connection) -> None:
        if not connection.invalidated:  # what was noted beside it is gone with it
            connection.info.get(_NOTED, set()).clear()

    event.listen(engine, "checkout", begin)
    event.listen(engine, "rollback", forget)


def _tell(noted: set[int], tell: Tell) -> None:
    tell(noted)
    noted.clear()


def _tell_nothing() -> None:
    return
