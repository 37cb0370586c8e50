"""Whether a queue has room for more waiting tasks, found out at a bounded cost."""

from collections.abc import Mapping

from sqlalchemy import Connection

from schema.statements import COUNTED_WAITING, WAITING_UP_TO

LOOK = 1_000
"""Entries of the claim index that are counted at most, for one queue."""


def overfull(connection: Connection, more: Mapping[str, int], most: int) -> str | None:
    """Return a queue that would have above `most` waiting tasks with so many more, or None.

    Below LOOK it is looked how many there are; above it the reaper's last count says so, and a
    look only whether there are fewer by now. Transactions under way are not counted.
    """
    return next((queue for queue in more if not _has(connection, queue, most - more[queue])), None)


def _has(connection: Connection, queue: str, room: int) -> bool:
    if room < 0:
        return False
    if room < LOOK:
        return _waiting(connection, queue, up_to=room + 1) <= room
    counted = connection.exec_driver_sql(COUNTED_WAITING, (queue,)).scalar_one()
    return counted <= room or _waiting(connection, queue, up_to=LOOK) < LOOK


def _waiting(connection: Connection, queue: str, *, up_to: int) -> int:
    found: int = connection.exec_driver_sql(WAITING_UP_TO, (queue, up_to)).scalar_one()
    return found
