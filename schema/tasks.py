"""Tasks as their clients make and edit them; `schema.verbs` has the rest."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Update, delete, select, update
from sqlalchemy.exc import IntegrityError

from schema import file_references, queues, tags, unique_keys, workflow_rows, workflows
from schema.documents import PAYLOAD_BYTES, encode
from schema.file_references import references, references_in
from schema.inserting import Row, auto_increment_step, insert_rows
from schema.listing import DETAILS, TaskRow
from schema.models.tasks import Task, TaskPayload
from schema.new_task import NewTask
from schema.runtime import tracing
from schema.runtime.changes import note
from schema.runtime.errors import is_duplicate_key
from schema.runtime.metrics import note_enqueued
from schema.statements import TASK_FIELDS
from schema.states import Status
from schema.times import to_database
from schema.unique_keys import UniqueKeyTakenError

EDITABLE = frozenset(
    {
        "title",
        "description",
        "priority",
        "tags",
        "due_date",
        "timeout_seconds",
        "retry_limit",
        "payload",
        "account_id",
        "callback_url",
    }
)
"""Fields that a client may change later."""

_PLAIN = (
    "title",
    "description",
    "status",
    "priority",
    "due_date",
    "task_type",
    "queue",
    "account_id",
    "unique_key",
    "schedule_id",
    "traceparent",
    "workflow_name",
    "node_count",
    "callback_url",
    "callback_of",
)
_GIVEN = (*_PLAIN, "timeout_seconds", "retry_limit", "available_at")
_INSERT = f"INSERT INTO tasks ({', '.join(_GIVEN)}, created_at, updated_at)"
_VALUES = f"({'%s, ' * len(_GIVEN)}'{{now}}', '{{now}}')"

_INSERT_ALONE = """INSERT INTO tasks ({columns},
    timeout_seconds, retry_limit, available_at, created_at, updated_at)
SELECT {marks}, COALESCE(%s, timeout_seconds, %s), COALESCE(%s, retry_limit, %s),
    COALESCE(%s, UTC_TIMESTAMP(6)), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
FROM queues WHERE name = %s"""
"""One task, with the time and its queue's defaults, which are not asked for before.

Isolated as READ COMMITTED it locks nothing of the queue.
"""

_INSERT_PAYLOADS = "INSERT INTO task_payloads (task_id, payload)"

USUAL = (300, 3)
"""timeout_seconds and retry_limit where nothing else is said."""

_NEW: dict[str, Any] = {
    **dict.fromkeys(TASK_FIELDS),
    "current_retry_count": 0,
    "fence": 0,
    "crash_count": 0,
    "version": 1,
}
"""What every new task has."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a task that was asked for is: a new one, or the unfinished one that has its key.

    Of a new one also the row that was written, and when.
    """

    task_id: int
    is_new: bool
    row: Row = ()
    now: datetime | None = None

    def refused(self, asked: NewTask) -> bool:
        """Whether the task that was asked for was to be a new one or none."""
        return not self.is_new and asked.on_conflict == "reject"

    def made(self, asked: NewTask) -> TaskRow:
        """Return a new task as `listing.page` would read it, without asking the database."""
        return _NEW | {
            **dict(zip(_GIVEN, self.row, strict=True)),
            "id": self.task_id,
            "created_at": self.now,
            "updated_at": self.now,
            "tags": sorted(set(asked.tags)),
        }

    def made_whole(self, asked: NewTask) -> TaskRow:
        """Return the same as `listing.find` would read it."""
        return self.made(asked) | {**dict.fromkeys(DETAILS), "payload": asked.payload}


def create(connection: Connection, new: Sequence[NewTask]) -> list[int]:
    """Create tasks and return their ids in the same order.

    Needs one to five statements whatever their number is (more above 500 tasks or 4 MiB), three
    more where there are unique keys, two where payloads refer to files. Raises DocumentError when
    a payload is not JSON of at most 256 KiB, FilesMissingError when it refers to a file that is
    not there, UniqueKeyTakenError when another unfinished task has a key and the task does not say
    that this one is to be returned; the others may have been created then: roll back.
    """
    if len(new) == 1 and not new[0].unique_key:
        with tracing.enqueueing(new) as traced:
            return [_create_alone(connection, traced[0])]
    placed = place(connection, new)
    for task, each in zip(new, placed, strict=True):
        if each.refused(task):
            raise UniqueKeyTakenError(str(task.unique_key), each.task_id)
    return [each.task_id for each in placed]


def place(connection: Connection, new: Sequence[NewTask]) -> list[Placed]:
    """Create the tasks whose keys are free, and return for each in the same order where it is.

    Of several with the same key the first is created. `on_conflict` is left to the caller. Raises
    FilesMissingError before anything is created.
    """
    if not new:
        return []
    with tracing.enqueueing(new) as traced:
        return _place(connection, traced)


def _place(connection: Connection, new: Sequence[NewTask]) -> list[Placed]:
    payloads = [None if task.payload is None else _payload(task.payload) for task in new]
    files = [references_in(payload) for payload in payloads]
    file_references.require(connection, files)
    now, defaults = queues.ensure(connection, {task.queue for task in new})
    rows = [_row(task, defaults[task.queue], now) for task in new]
    keys = [task.unique_key or "" for task in new]
    ids, holders = _insert_free(connection, _VALUES.format(now=now), rows, keys)
    note(connection, ids.values())
    note_enqueued(new[at].queue for at in ids)
    _attach(connection, {task_id: (payloads[at], new[at].tags) for at, task_id in ids.items()})
    file_references.link(connection, {task_id: files[at] for at, task_id in ids.items()})
    holders |= {keys[at]: task_id for at, task_id in ids.items()}
    return [
        Placed(ids[at], is_new=True, row=rows[at], now=now)
        if at in ids
        else Placed(holders[key], is_new=False)
        for at, key in enumerate(keys)
    ]


def _create_alone(connection: Connection, task: NewTask) -> int:
    """Create a task without a key; a third faster than `_place`, which asks its queue first."""
    payload = None if task.payload is None else _payload(task.payload)
    files = references_in(payload)
    if files:
        file_references.require(connection, [files])
    task_id = _insert_alone(connection, task)
    note(connection, [task_id])
    note_enqueued([task.queue])
    if payload is not None:
        connection.exec_driver_sql(f"{_INSERT_PAYLOADS} VALUES (%s, %s)", (task_id, payload))
    if task.tags:
        tags.attach(connection, {task_id: task.tags})
    if files:
        file_references.link(connection, {task_id: files})
    return task_id


def _insert_alone(connection: Connection, task: NewTask) -> int:
    plain = zip(_PLAIN, _plain(task), strict=True)
    given = {name: value for name, value in plain if value is not None}
    timeout, retries = _usual(task)
    limits = (task.timeout_seconds, timeout, task.retry_limit, retries)
    statement = _INSERT_ALONE.format(columns=",".join(given), marks=",".join(["%s"] * len(given)))
    parameters = (*given.values(), *limits, to_database(task.available_at), task.queue)
    while not (inserted := connection.exec_driver_sql(statement, parameters)).rowcount:
        queues.ensure(connection, [task.queue])  # it is not there, or was deleted meanwhile
    task_id: int = inserted.lastrowid
    return task_id


def _insert_free(
    connection: Connection, values: str, rows: Sequence[Row], keys: Sequence[str]
) -> tuple[dict[int, int], dict[str, int]]:
    """Insert what is free; return the new ids by position, and who has each of the other keys.

    A key that is taken between the look and the INSERT is found at the next look: whom the
    index refuses holds the other's entry from then on.
    """
    wanted = set(keys) - {""}
    if not wanted:
        return dict(enumerate(_insert(connection, values, rows))), {}
    while True:
        holders = unique_keys.holders(connection, wanted)
        free = _free(keys, holders)
        connection.exec_driver_sql("SAVEPOINT looked")
        try:
            ids = _insert(connection, values, [rows[at] for at in free])
        except IntegrityError as error:
            if not is_duplicate_key(error):
                raise
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT looked")
        else:
            return dict(zip(free, ids, strict=True)), holders


def _free(keys: Sequence[str], holders: Mapping[str, int]) -> list[int]:
    """Return the positions of the tasks without a key, and of the first with each free one."""
    seen = set(holders)
    free = []
    for at, key in enumerate(keys):
        if key not in seen:
            free.append(at)
            seen |= {key} - {""}
    return free


def _insert(connection: Connection, values: str, rows: Sequence[Row]) -> list[int]:
    spans = insert_rows(connection, _INSERT, values, rows)
    step = auto_increment_step(connection) if len(rows) > 1 else 1
    return [first + step * position for first, count in spans for position in range(count)]


def edit(
    connection: Connection,
    task_id: int,
    changes: Mapping[str, Any],
    versions: Collection[int] | None = None,
) -> bool:
    """Change fields of EDITABLE; False when there is no such task, or none of these versions.

    Callbacks stay as they are: what they say is signed.
    A change of timeout_seconds holds from the next claim on: a lease never grows. Raises
    FilesMissingError when a payload refers to a file that is not there, pydantic's
    ValidationError when it is none of a workflow and the task is one.
    """
    columns = {name: changes[name] for name in changes.keys() - {"tags", "payload"}}
    if "due_date" in columns:
        columns["due_date"] = to_database(columns["due_date"])
    change = _by_key(update(Task)).where(
        Task.id == task_id, Task.delete_requested_at.is_(None), Task.callback_of.is_(None)
    )
    if versions is not None:
        change = change.where(Task.version.in_(versions))
    result = connection.execute(change.values(**columns, version=Task.version + 1))
    if result.rowcount == 0:
        return False
    if "tags" in changes:
        tags.detach(connection, [task_id])
        tags.attach(connection, {task_id: changes["tags"]})
    if "payload" in changes:
        workflow_rows.show(connection, task_id, changes["payload"])
        _replace_payload(connection, task_id, changes["payload"])
    note(connection, [task_id])
    return True


def erase(connection: Connection, task_ids: Sequence[int]) -> None:
    """Take the rows of tasks that the caller has locked."""
    if not task_ids:
        return
    ids = ",".join(map(str, task_ids))
    for table in ("task_payloads", "task_tags", "task_files"):
        connection.exec_driver_sql(f"DELETE FROM {table} WHERE task_id IN ({ids})")
    connection.exec_driver_sql(f"DELETE FROM tasks WHERE id IN ({ids})")
    note(connection, task_ids)


def _payload(value: Any) -> str:
    return encode(value, max_bytes=PAYLOAD_BYTES)


def _row(task: NewTask, defaults: queues.QueueDefaults, now: datetime) -> tuple[Any, ...]:
    timeout, retries = _usual(task)
    return (
        *_plain(task),
        _first(task.timeout_seconds, defaults.timeout_seconds, timeout),
        _first(task.retry_limit, defaults.retry_limit, retries),
        to_database(task.available_at) or now,
    )


def _plain(task: NewTask) -> tuple[Any, ...]:
    """Return what a task has whatever its queue gives, and whenever it is created."""
    return (
        task.title,
        task.description,
        str(Status.PAUSED if task.hold else Status.TO_DO),
        str(task.priority),
        to_database(task.due_date),
        task.task_type,
        task.queue,
        task.account_id,
        task.unique_key,
        task.schedule_id,
        task.traceparent,
        *workflows.shown(task.task_type, task.payload),
        task.callback_url,
        task.callback_of,
    )


def _usual(task: NewTask) -> tuple[int, int]:
    return workflows.USUAL if task.task_type == workflows.TASK_TYPE else USUAL


def _first(asked: int | None, of_queue: int | None, usual: int) -> int:
    if asked is not None:
        return asked
    return usual if of_queue is None else of_queue


def _attach(connection: Connection, given: Mapping[int, tuple[str | None, Sequence[str]]]) -> None:
    """Give tasks (by id) their payloads and tags."""
    payloads = [(task_id, text) for task_id, (text, _) in given.items() if text]
    insert_rows(connection, _INSERT_PAYLOADS, "(%s, %s)", payloads)
    tags.attach(connection, {task_id: names for task_id, (_, names) in given.items()})


def _replace_payload(connection: Connection, task_id: int, payload: Any) -> None:
    old = select(TaskPayload.payload).where(TaskPayload.task_id == task_id)
    before = references(connection.execute(old).scalar())
    text = None if payload is None else _payload(payload)
    file_references.replace(connection, task_id, before, references_in(text))
    if text is None:
        connection.execute(delete(TaskPayload).where(TaskPayload.task_id == task_id))
        return
    head = "REPLACE INTO task_payloads (task_id, payload)"
    insert_rows(connection, head, "(%s, %s)", [(task_id, text)])


def _by_key(statement: Update) -> Update:
    """Keep the statement on the primary key: MariaDB was seen to walk a secondary index instead."""
    return statement.with_hint("FORCE INDEX (PRIMARY)", dialect_name="mysql")
