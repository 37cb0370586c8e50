"""What a process may do in the database, tried out.

SHOW GRANTS would have to be understood, with its roles, patterns and columns; a server asks
nothing of the kind when it is given the statement itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from sqlalchemy import Connection, Executable, delete, false, insert, null, select, update
from sqlalchemy.exc import DBAPIError

from schema.models.history import TaskAttempt, TaskEvent
from schema.models.metadata import Model
from schema.models.queues import Queue, QueueCount, Setting
from schema.models.requests import Batch, File, IdempotencyKey, TaskFile
from schema.models.schedules import Schedule
from schema.models.tasks import Tag, Task, TaskPayload, TaskTag
from schema.models.workers import Worker
from schema.runtime.errors import DENIED, error_code


class Privilege(StrEnum):
    """A kind of statement that a user may be allowed on a table."""

    SELECT = "SELECT"
    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


Needs = Mapping[type[Model], Sequence[Privilege]]

_READ = (Privilege.SELECT,)
_ADD = (*_READ, Privilege.INSERT)
_KEEP = (*_ADD, Privilege.UPDATE)

WORKER: Needs = {
    Task: tuple(Privilege),
    TaskPayload: (*_ADD, Privilege.DELETE),
    TaskTag: (*_ADD, Privilege.DELETE),
    TaskAttempt: _ADD,
    Tag: _KEEP,
    File: _KEEP,
    TaskFile: (*_ADD, Privilege.DELETE),
    Queue: _KEEP,
    Worker: _KEEP,
    Setting: _KEEP,  # to lock a row, and to remember the limits of RunningHub's queues
}
"""What a worker does, beside reading `alembic_version`: it creates tasks that handlers ask for,
keeps their files, and takes away tasks that were deleted while they ran."""

REAPER: Needs = {
    Task: tuple(Privilege),
    TaskPayload: (*_ADD, Privilege.DELETE),
    TaskTag: (*_ADD, Privilege.DELETE),
    TaskAttempt: tuple(Privilege),
    TaskEvent: tuple(Privilege),
    Tag: _KEEP,
    Queue: _KEEP,
    QueueCount: tuple(Privilege),
    Schedule: _KEEP,
    Worker: tuple(Privilege),
    Setting: _KEEP,
    Batch: _KEEP,
    IdempotencyKey: (*_READ, Privilege.UPDATE, Privilege.DELETE),
    File: tuple(Privilege),
    TaskFile: tuple(Privilege),
}
"""What a reaper does: it ends, creates, moves and prunes tasks, and counts them."""


def refused(connection: Connection, needs: Needs) -> Iterator[tuple[str, Privilege]]:
    """Yield each table and kind of statement of `needs` that this user is not allowed.

    The statements touch no row; whoever opened the transaction rolls it back. Raises the
    server's error when it refuses for another reason, as when it is read-only.
    """
    for model, privileges in needs.items():
        for privilege in privileges:
            if not _is_allowed(connection, _statement(model, privilege)):
                yield model.__tablename__, privilege


def _is_allowed(connection: Connection, statement: Executable) -> bool:
    try:
        connection.execute(statement)
    except DBAPIError as error:
        if error_code(error) in DENIED:
            return False
        raise
    return True


def _statement(model: type[Model], privilege: Privilege) -> Executable:
    """Return a statement that needs this privilege alone, and finds nothing to do."""
    columns = [column for column in model.__table__.columns if column.computed is None]
    match privilege:
        case Privilege.SELECT:
            return select(columns[0]).where(false())
        case Privilege.INSERT:
            nothing = select(*(null() for _ in columns)).limit(0)
            return insert(model).from_select([column.name for column in columns], nothing)
        case Privilege.UPDATE:
            return update(model).values({columns[0].name: null()}).where(false())
        case Privilege.DELETE:
            return delete(model).where(false())
