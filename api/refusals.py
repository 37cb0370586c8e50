"""What several routes refuse."""

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import Connection

from api.problems import Problem
from schema import depth, listing
from schema.listing import TaskRow

FULL_SECONDS = "5"
"""When it is worth trying again to put something into a full queue."""


def found(connection: Connection, task_id: int) -> TaskRow:
    """Return a task; raises Problem (404) when there is none."""
    task = listing.find(connection, task_id)
    if task is None:
        raise no_task(task_id)
    return task


def require_room(connection: Connection, most: int | None, queues: Iterable[str]) -> None:
    """Raise Problem (503) when a queue would be longer than `most` with these tasks."""
    if most is None:
        return
    more = Counter(queues)
    queue = depth.overfull(connection, more, most)
    if queue is not None:
        raise _queue_full(queue, more[queue], most)


def full_queues(
    connection: Connection, most: int | None, queues: Iterable[str]
) -> dict[str, Problem]:
    """Return the queues that have no room for a single task, and what to tell those who ask."""
    if most is None:
        return {}
    return {
        queue: _queue_full(queue, 1, most)
        for queue in set(queues)
        if depth.overfull(connection, {queue: 1}, most)
    }


def no_task(task_id: int) -> Problem:
    """Return what to raise when there is no such task."""
    return Problem(404, "task_not_found", values={"task_id": task_id})


def key_taken(task_id: int | None) -> Problem:
    """Return what to raise when that unfinished task has the unique_key."""
    members = {"existing_id": task_id}
    return Problem(409, "unique_key_taken", values={"task_id": task_id}, members=members)


def _queue_full(queue: str, count: int, most: int) -> Problem:
    values = {"queue": queue, "count": count, "limit": most}
    return Problem(503, "queue_full", values=values, headers={"retry-after": FULL_SECONDS})
