"""Hints that the run of a task may have ended: the API notes them, workers read them as they beat.

One row of `settings` has the last of them. One that is false or lost does no harm: it only lets
a worker look at a run before its time.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, select

from schema.models.queues import Setting

_NAME = "runninghub_hints"

MOST = 100
"""So many are kept; whoever is to see one looks every second."""

_MOMENT = "CAST(UTC_TIMESTAMP(6) AS CHAR)"
_NOTE = f"""INSERT INTO settings (name, value) VALUES ('{_NAME}', JSON_OBJECT(%s, {_MOMENT}))
ON DUPLICATE KEY UPDATE value = IF(JSON_LENGTH(value) < {MOST},
    JSON_SET(value, %s, {_MOMENT}), JSON_OBJECT(%s, {_MOMENT}))"""  # noqa: S608  # constants
_NOTED = select(Setting.value).where(Setting.name == _NAME)


def note(connection: Connection, task_id: int) -> None:
    """Note a hint about a task."""
    name = str(task_id)
    connection.exec_driver_sql(_NOTE, (name, f'$."{name}"', name))


def noted(connection: Connection) -> Mapping[int, str]:
    """Return the last hints: when there was one, by task."""
    found = connection.execute(_NOTED).scalar() or {}
    return {int(task_id): moment for task_id, moment in found.items()}
