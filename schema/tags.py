"""Tags: created with the first task that has them; renamed and deleted for all tasks at once.

A task whose tags change gets a new version. Where more than a page of tasks have a tag, the rest
follow page by page, each in a transaction of its own: none holds many rows locked.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.exc import IntegrityError

from schema.inserting import insert_rows
from schema.limits import COUNT_LIMIT
from schema.models.tasks import Tag, TaskTag
from schema.runtime.changes import note
from schema.runtime.errors import is_duplicate_key
from schema.statements import TAG_COUNT, TAGGED, TOUCH

PAGE = 1_000
"""Tasks that one transaction gives a new version."""

_TAGS = Tag.__table__
_TASK_TAGS = TaskTag.__table__
# A tag that a task is about to get must not be deleted in between.
_NUMBERS = (
    select(_TAGS.c.name, _TAGS.c.id)
    .where(_TAGS.c.name.in_(bindparam("names", expanding=True)))
    .with_for_update(read=True)
)
_LOCKED = select(_TAGS.c.id).where(_TAGS.c.name == bindparam("name")).with_for_update()

TagRow = dict[str, Any]
"""A tag as read: its `name`, and `count`, how many tasks have it, counted up to COUNT_LIMIT."""


class TagTakenError(Exception):
    """There is a tag of that name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a tag {name!r}")
        self.name = name


def attach(connection: Connection, names_of: Mapping[int, Iterable[str]]) -> None:
    """Give tasks (by id) tags (by name)."""
    numbers = _numbers(connection, {name for names in names_of.values() for name in names})
    links = [
        (task_id, numbers[name])
        for task_id, names in names_of.items()
        for name in sorted(set(names))
    ]
    insert_rows(connection, "INSERT INTO task_tags (task_id, tag_id)", "(%s, %s)", links)


def detach(connection: Connection, task_ids: Sequence[int]) -> None:
    """Take all tags from tasks."""
    if task_ids:
        connection.execute(delete(TaskTag).where(TaskTag.task_id.in_(task_ids)))


def page(connection: Connection, *, limit: int, after: str = "") -> list[TagRow]:
    """Return up to `limit` tags by their names, from behind `after`. Two statements."""
    query = select(_TAGS.c.id, _TAGS.c.name).where(_TAGS.c.name > after)
    found = connection.execute(query.order_by(_TAGS.c.name).limit(limit)).all()
    counts = _counts(connection, [row.id for row in found])
    return [{"name": row.name, "count": counts[row.id]} for row in found]


def find(connection: Connection, name: str) -> TagRow | None:
    """Return one tag, or None."""
    tag_id = connection.execute(select(_TAGS.c.id).where(_TAGS.c.name == name)).scalar()
    return (
        None if tag_id is None else {"name": name, "count": _counts(connection, [tag_id])[tag_id]}
    )


def count(connection: Connection) -> int:
    """Return how many tags there are, counted up to COUNT_LIMIT."""
    found = select(_TAGS.c.id).limit(COUNT_LIMIT).subquery()
    return connection.execute(select(func.count()).select_from(found)).scalar_one()


def rename(connection: Connection, name: str, new_name: str) -> int | None:
    """Give a tag another name; return its number, or None when there is no such tag.

    Raises TagTakenError when another tag has that name. `touch` tells its tasks.
    """
    tag_id = connection.execute(_LOCKED, {"name": name}).scalar()
    if tag_id is None:
        return None
    try:
        connection.exec_driver_sql("UPDATE tags SET name = %s WHERE id = %s", (new_name, tag_id))
    except IntegrityError as error:
        if is_duplicate_key(error):
            raise TagTakenError(new_name) from None
        raise
    return int(tag_id)


def touch(connection: Connection, tag_id: int, *, after_id: int = 0) -> int | None:
    """Give the next page of a tag's tasks, from behind `after_id`, a new version.

    Returns the last one's id, None when there are no more.
    """
    task_ids = _touched(connection, tag_id, after_id)
    return task_ids[-1] if len(task_ids) == PAGE else None


def remove(connection: Connection, name: str) -> bool | None:
    """Take a tag from the next page of its tasks, and when these were the last, the tag itself.

    Whether it is gone; None when it was not there.
    """
    tag_id = connection.execute(_LOCKED, {"name": name}).scalar()
    if tag_id is None:
        return None
    task_ids = _touched(connection, tag_id, 0)
    if len(task_ids) < PAGE:
        connection.exec_driver_sql("DELETE FROM tags WHERE id = %s", (tag_id,))
        return True
    links = delete(TaskTag).where(TaskTag.task_id.in_(task_ids), TaskTag.tag_id == tag_id)
    connection.execute(links)
    return False


def _touched(connection: Connection, tag_id: int, after_id: int) -> Sequence[int]:
    found = connection.exec_driver_sql(TAGGED, (tag_id, after_id, PAGE))
    task_ids: Sequence[int] = found.scalars().all()
    if task_ids:
        note(connection, task_ids)
        connection.exec_driver_sql(TOUCH.format(ids=",".join(map(str, task_ids))))
    return task_ids


def _counts(connection: Connection, tag_ids: Sequence[int]) -> dict[int, int]:
    if not tag_ids:
        return {}
    looks = " UNION ALL ".join([TAG_COUNT] * len(tag_ids))
    parameters = tuple(value for tag_id in tag_ids for value in (tag_id, tag_id, COUNT_LIMIT))
    return {row.id: row.tasks for row in connection.exec_driver_sql(looks, parameters)}


def _numbers(connection: Connection, names: set[str]) -> dict[str, int]:
    known = _known(connection, names)
    missing = sorted(names - set(known))
    if missing:
        new = insert(Tag).values([{"name": name} for name in missing])
        connection.execute(new.on_duplicate_key_update(name=Tag.name))
        known |= _known(connection, set(missing))
    return known


def _known(connection: Connection, names: set[str]) -> dict[str, int]:
    if not names:
        return {}
    rows = connection.execute(_NUMBERS, {"names": sorted(names)})
    return {row.name: row.id for row in rows}
