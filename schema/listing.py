"""Reading tasks: one by its id, many by a filter, newest first.

Where indexes hold all that a filter says, a page is the last entries of a few ranges, merged.
Elsewhere so many rows are examined at most, and the page may be short: the next goes on from
where this one ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from schema.documents import decode
from schema.filters import TaskFilter, conditions
from schema.limits import COUNT_LIMIT
from schema.ranges import ALL, USUAL, VISIBLE, Ranges, choose
from schema.runtime.reading import fetch
from schema.statements import MARKS, TASK, TASK_COLUMNS, TASK_FIELDS, TASKS
from schema.stretches import Stretch, floor_of, joined, newest

MOST_EXAMINED = 20_000
"""Rows that a page looks at, where it has to look at rows that may not match: a third of them to
find how far it goes, a third to check them, and a third for a first guess at how far."""

MOST_COUNTED_OVER = 200_000
"""The same of a total: it is asked for."""

DETAILS = ("checkpoint", "payload", "result")
"""What lists leave out."""

_NAMES = (*TASK_FIELDS, "tags")
_DETAIL_NAMES = (*_NAMES, *DETAILS)

TaskRow = dict[str, Any]
"""A task as read: the columns of TASK_FIELDS by their names, and `tags`, sorted names. One read by
its id also has `checkpoint`, `payload` and `result` (of its last attempt) as JSON values."""


Mark = tuple[int, datetime]
"""Version and updated_at: which state of a task it is, after changes by plain SQL too."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: below an id, and behind so many that match."""

    before_id: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Tasks, newest first, and where the next page begins; None: there is none."""

    tasks: Sequence[TaskRow]
    next: Place | None


def find(connection: Connection, task_id: int) -> TaskRow | None:
    """Return one task, or None. One statement."""
    rows = fetch(connection, TASK, (task_id,))
    return _detail(rows[0]) if rows else None


def find_all(connection: Connection, task_ids: Sequence[int]) -> list[TaskRow]:
    """Return tasks as `page` does, in the order of `task_ids`, without those that are not there."""
    if not task_ids:
        return []
    rows = fetch(connection, TASKS.format(ids=",".join(map(str, task_ids))))
    found = {task["id"]: task for task in map(_task_row, rows)}
    return [found[task_id] for task_id in task_ids if task_id in found]


def mark_of(task: TaskRow) -> Mark:
    """Return which state of a task was read."""
    return task["version"], task["updated_at"]


def marks(connection: Connection, task_ids: Sequence[int]) -> dict[int, Mark]:
    """Return the marks of those of the tasks that are there: cheaper than to read them."""
    if not task_ids:
        return {}
    statement = MARKS.format(ids=",".join(map(str, task_ids)))
    return {task_id: (version, at) for task_id, version, at in fetch(connection, statement)}


def page(
    connection: Connection,
    wanted: TaskFilter,
    *,
    limit: int,
    offset: int = 0,
    before_id: int | None = None,
) -> Page:
    """Return up to `limit` tasks, newest first; fewer than `limit` need not be the last."""
    chosen = choose(connection, wanted)
    if not chosen.ranges:
        return Page((), None)
    if chosen.ranges == (USUAL,) and not chosen.left:
        # Nearly always these are among the newest ids, and one statement is enough. Not where
        # callbacks lie between them, which it would walk along without end.
        nearest = Stretch(chosen, before_id, newest(before_id, MOST_EXAMINED // 3))
        tasks = _read(connection, nearest, limit, offset)
        if len(tasks) == limit:
            return Page(tasks, Place(tasks[-1]["id"]))
    return _stretch_of(connection, chosen, limit, Place(before_id, offset))


def _stretch_of(connection: Connection, chosen: Ranges, limit: int, start: Place) -> Page:
    """Return the page that begins there, found in so many rows as may be examined."""
    floor = None
    few = (limit + start.offset) * len(chosen.ranges) <= MOST_EXAMINED
    if chosen.left or chosen.ranges == (USUAL,) or not few:
        floor = floor_of(connection, chosen.ranges, start.before_id, MOST_EXAMINED // 3)
    stretch = Stretch(chosen, start.before_id, floor)
    tasks = _read(connection, stretch, limit, start.offset)
    if len(tasks) == limit:
        return Page(tasks, Place(tasks[-1]["id"]))
    if floor is None:
        return Page(tasks, None)
    skipped = start.offset
    if not tasks and start.offset:
        skipped = len(connection.exec_driver_sql(*stretch.ids(start.offset)).all())
    return Page(tasks, Place(floor, start.offset - skipped))


def _read(connection: Connection, stretch: Stretch, limit: int, offset: int) -> list[TaskRow]:
    return [_task_row(row) for row in fetch(connection, *stretch.rows(TASK_COLUMNS, limit, offset))]


def count(connection: Connection, wanted: TaskFilter, *, limit: int | None = None) -> int:
    """Return how many tasks match, counted up to `limit`.

    By default up to COUNT_LIMIT, and where indexes do not hold all that the filter says among
    the newest MOST_COUNTED_OVER.
    """
    chosen = choose(connection, wanted)
    where, values = joined(conditions(wanted))
    if chosen.left and limit is None:
        floor = floor_of(connection, chosen.ranges, None, MOST_COUNTED_OVER)
        where += f" AND tasks.id >= {floor or 0}"
    found = f"SELECT 1 FROM tasks WHERE {VISIBLE}{where} LIMIT {limit or COUNT_LIMIT}"
    statement = f"SELECT COUNT(*) FROM ({found}) AS found"
    return int(connection.exec_driver_sql(statement, values).scalar_one())


def matching(
    connection: Connection, wanted: TaskFilter, *, limit: int, before_id: int | None = None
) -> list[int]:
    """Return the ids of up to `limit` tasks, newest first, from below `before_id`: all there are.

    Examines as many rows as that takes.
    """
    chosen = choose(connection, wanted)
    if not chosen.ranges:
        return []
    return list(connection.exec_driver_sql(*Stretch(chosen, before_id).ids(limit)).scalars())


def still_matching(
    connection: Connection, wanted: TaskFilter, task_ids: Sequence[int]
) -> list[int]:
    """Return those of the tasks that match, in the same order."""
    if not task_ids:
        return []
    where, values = joined(conditions(wanted))
    ids = ",".join(map(str, task_ids))
    query = f"SELECT id FROM {ALL.source} WHERE tasks.id IN ({ids}) AND {VISIBLE}{where}"
    found = set(connection.exec_driver_sql(query, values).scalars())
    return [task_id for task_id in task_ids if task_id in found]


def _detail(values: Sequence[Any]) -> TaskRow:
    task = dict(zip(_DETAIL_NAMES, values, strict=True))
    task["tags"] = sorted(decode(task["tags"]) or ())
    for name in DETAILS:
        task[name] = decode(task[name])
    return task


def _task_row(values: Sequence[Any]) -> TaskRow:
    task = dict(zip(_NAMES, values, strict=True))
    task["tags"] = sorted(decode(task["tags"]) or ())
    return task
