"""Index ranges: where the tasks that match a filter stand in the order of their ids.

In each range ids ascend, so that the newest are its last entries. Several values of a field are
one range each: an IN would have the server sort all that match.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

from sqlalchemy import Connection

from schema.filters import NO_CALLBACK, NOTHING, Condition, TaskFilter, conditions
from schema.models.tasks import STATUS_INDEX, TAG_INDEX
from schema.reserved import CALLBACK_QUEUE
from schema.runtime.reading import fetch
from schema.statements import STATUS_QUEUES
from schema.states import Status

MOST_QUEUES = 1_000
"""Queues that are looked into for tasks of a status."""

MOST_RANGES = 200
"""Beyond so many, all tasks are walked through: the statement would grow too long."""

VISIBLE = "tasks.delete_requested_at IS NULL"
_OF_TAG = "task_tags.tag_id = (SELECT id FROM tags WHERE name = %s)"


class Range(NamedTuple):
    """One range: the table with its index, the condition, and the column of the id.

    `visible` is what leaves out deleted tasks, where there may be some.
    """

    source: str
    where: str
    values: tuple[Any, ...]
    task_id: str = "tasks.id"
    visible: str = VISIBLE


ALL = Range("tasks FORCE INDEX (PRIMARY)", "TRUE", ())
USUAL = ALL._replace(visible=f"{VISIBLE} AND {NO_CALLBACK}")
"""All but the callbacks."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """The ranges in which all tasks that match are, and the conditions that are left to check.

    `overlap`: a task may be in several of them.
    """

    ranges: Sequence[Range]
    left: Sequence[Condition] = field(default=())
    overlap: bool = False


def choose(connection: Connection, wanted: TaskFilter) -> Ranges:
    """Return the ranges for a filter; two statements where it has a status and no queue."""
    said = conditions(wanted)
    if any(each.text == NOTHING for each in said):
        return Ranges(())
    everything = ALL if wanted.queues else USUAL
    ranges, covered = (
        _of_fields(wanted, everything) or _of_places(connection, wanted) or ((everything,), set())
    )
    # No range has callbacks in it by itself: they have no account, schedule, batch or tag.
    left = [each for each in said if each.field not in {*covered, "callbacks"}]
    overlap = len(ranges) > 1 and ranges[0].task_id != ALL.task_id
    return Ranges(ranges, left, overlap)


_Chosen = tuple[Sequence[Range], set[str]]


def _of_fields(wanted: TaskFilter, everything: Range) -> _Chosen | None:
    """Return the ranges of a field whose index has nothing but it and the id."""
    if wanted.task_id is not None:
        return [everything._replace(where="tasks.id = %s", values=(wanted.task_id,))], {"id"}
    for name in ("schedule_id", "batch_id", "account_id"):
        if values := getattr(wanted, name):
            source = f"tasks FORCE INDEX (ix_tasks_{name}_id)"
            where = f"tasks.{name} = %s"
            return [Range(source, where, (value,)) for value in dict.fromkeys(values)], {name}
    if wanted.tag_match == "all" and len(wanted.tag) > 1:
        return [_of_tag(wanted.tag[0])], set()
    if wanted.tag:
        return [_of_tag(name) for name in dict.fromkeys(wanted.tag)], {"tag"}
    return None


def _of_tag(name: str) -> Range:
    source = f"task_tags FORCE INDEX ({TAG_INDEX})"
    return Range(source, _OF_TAG, (name,), "task_tags.task_id", "TRUE")


def _of_places(connection: Connection, wanted: TaskFilter) -> _Chosen | None:
    """Return a range for each status and queue; None where these are too many or not asked for."""
    statuses = wanted.statuses()
    places: list[tuple[str, str]] | None
    if wanted.queues:
        places = list(product(statuses or Status, dict.fromkeys(wanted.queues)))
    elif statuses is not None:
        places = _filled(connection, statuses)
    else:
        return None
    if places is None or len(places) > MOST_RANGES:
        return None
    return [_of_place(*place) for place in places], {"status", "queue"}


def _filled(connection: Connection, statuses: Sequence[str]) -> list[tuple[str, str]] | None:
    """Return each of the statuses with the queues that have it; None where the queues are many.

    That of the callbacks is left out.
    """
    names = fetch(connection, "SELECT name FROM queues LIMIT %s", (MOST_QUEUES + 1,))
    if len(names) > MOST_QUEUES:
        return None
    looks = " UNION ALL ".join([STATUS_QUEUES.format(status=each) for each in statuses])
    found = fetch(connection, looks)
    return [(status, queue) for status, queue in found if queue != CALLBACK_QUEUE]


def _of_place(status: str, queue: str) -> Range:
    return Range(
        f"tasks FORCE INDEX ({STATUS_INDEX})",
        f"tasks.status = '{status}' AND tasks.queue = %s",
        (queue,),
        # Others are never hidden: a look at the index is enough.
        visible=VISIBLE if status == Status.IN_PROGRESS else "TRUE",
    )
