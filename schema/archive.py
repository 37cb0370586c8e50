"""Tasks as documents: what is exported before it is pruned, and can be put back."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import Connection

from schema import tags
from schema.inserting import insert_rows
from schema.models.history import TaskAttempt, TaskEvent
from schema.models.metadata import Model
from schema.models.tasks import Task

Document = dict[str, Any]
"""A task: its columns, and under payload, tags, attempts and events what belongs to it."""

_PAYLOADS = "SELECT task_id, payload FROM task_payloads WHERE task_id IN ({ids})"
_TAGS = """SELECT task_tags.task_id, tags.name FROM task_tags
JOIN tags ON tags.id = task_tags.tag_id WHERE task_tags.task_id IN ({ids})"""


def documents(connection: Connection, task_ids: Sequence[int]) -> Iterator[bytes]:
    """Yield each task as one line of JSON. JSON columns stay text."""
    ids = ",".join(str(task_id) for task_id in task_ids)
    found = connection.exec_driver_sql(_PAYLOADS.format(ids=ids))
    payloads = {task_id: payload for task_id, payload in found}  # noqa: C416  # rows, not pairs
    names: dict[int, list[str]] = {}
    for task_id, name in connection.exec_driver_sql(_TAGS.format(ids=ids)):
        names.setdefault(task_id, []).append(name)
    attempts = _children(connection, TaskAttempt, ids)
    events = _children(connection, TaskEvent, ids)
    for row in _rows(connection, Task, f"id IN ({ids}) ORDER BY id"):
        task_id = row["id"]
        belongings = {
            "payload": payloads.get(task_id),
            "tags": names.get(task_id, []),
            "attempts": attempts.get(task_id, []),
            "events": events.get(task_id, []),
        }
        yield orjson.dumps({"task": row, **belongings}, default=_plain)


def put_back(connection: Connection, found: Sequence[Document]) -> int:
    """Insert documents whose task is not there; return how many that were."""
    missing = _missing(connection, found)
    _insert(connection, Task, [each["task"] for each in missing])
    payloads = [(each["task"]["id"], each["payload"]) for each in missing if each["payload"]]
    head = "INSERT INTO task_payloads (task_id, payload)"
    insert_rows(connection, head, "(%s, %s)", payloads)
    tags.attach(connection, {each["task"]["id"]: each["tags"] for each in missing if each["tags"]})
    _insert(connection, TaskAttempt, [row for each in missing for row in each["attempts"]])
    _insert(connection, TaskEvent, [row for each in missing for row in each["events"]])
    return len(missing)


def _missing(connection: Connection, found: Sequence[Document]) -> list[Document]:
    by_id = {int(each["task"]["id"]): each for each in found}
    ids = ",".join(map(str, by_id)) or "NULL"
    there = connection.exec_driver_sql(f"SELECT id FROM tasks WHERE id IN ({ids})").scalars()
    for task_id in there:
        del by_id[task_id]
    return list(by_id.values())


def _columns(model: type[Model]) -> list[str]:
    return [column.name for column in model.__table__.columns if column.computed is None]


def _rows(connection: Connection, model: type[Model], which: str) -> list[Document]:
    names = ", ".join(_columns(model))
    query = f"SELECT {names} FROM {model.__tablename__} WHERE {which}"
    return [dict(row) for row in connection.exec_driver_sql(query).mappings()]


def _children(connection: Connection, model: type[Model], ids: str) -> dict[int, list[Document]]:
    found: dict[int, list[Document]] = {}
    for row in _rows(connection, model, f"task_id IN ({ids})"):
        found.setdefault(row["task_id"], []).append(row)
    return found


def _insert(connection: Connection, model: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    names = _columns(model)
    head = f"INSERT IGNORE INTO {model.__tablename__} ({', '.join(names)})"
    marks = f"({', '.join(['%s'] * len(names))})"
    insert_rows(connection, head, marks, [[row.get(name) for name in names] for row in rows])


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)
