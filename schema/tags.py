"""Tags: created with the first task that has them."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.mysql import insert

from schema.inserting import insert_rows
from schema.models.tasks import Tag, TaskTag


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
    connection.execute(delete(TaskTag).where(TaskTag.task_id.in_(task_ids)))


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
    rows = connection.execute(select(Tag.name, Tag.id).where(Tag.name.in_(names)))
    return {row.name: row.id for row in rows}
