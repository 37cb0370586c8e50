"""How many tasks there are: counted by the reaper, read by every display.

`queue_counts` has a row for each queue, status and priority of which there are tasks, and one for
each queue. There are two ways to count. The exact one reads every row. The quick one reads indexes
only: of the tasks that have finished it knows how many there are in a queue and a status, and
shares them out among the priorities as they were when they were last counted exactly. All other
figures are exact in both.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from schema.filters import TaskFilter
from schema.inserting import insert_rows
from schema.models.queues import QueueCount
from schema.reserved import CALLBACK_QUEUE
from schema.statements import COUNT_EXACTLY, COUNT_QUEUED, COUNT_QUICKLY
from schema.states import Priority, State, Status, state_of

Key = tuple[str, str, str]
"""A queue, a status and a priority."""

_IS_KNOWN = "SELECT 1 FROM settings WHERE name = 'counts'"
_MAKE_KNOWN = "INSERT IGNORE INTO settings (name, value) VALUES ('counts', '{}')"
_TURN = "SELECT 1 FROM settings WHERE name = 'counts' FOR UPDATE SKIP LOCKED"
_AGE = """SELECT TIMESTAMPDIFF(MICROSECOND, MAX(counted_at), UTC_TIMESTAMP(6)) / 1e6
FROM queue_counts"""
_KNOWN = "SELECT queue, status, priority, task_count FROM queue_counts"
_QUEUES = "SELECT name FROM queues"
_INSERT = "REPLACE INTO queue_counts (queue, status, priority, task_count, counted_at)"
_FORGET = "DELETE FROM queue_counts WHERE counted_at <> %s"
_TOTALS = f"""SELECT status, SUM(task_count), MAX(counted_at) FROM queue_counts
WHERE queue <> '{CALLBACK_QUEUE}' GROUP BY status"""  # noqa: S608  # a constant
_COUNTS = QueueCount.__table__


@dataclass(frozen=True, slots=True)
class Totals:
    """How many tasks were in each status at a moment; at None nobody has counted yet."""

    by_status: Mapping[Status, int]
    counted_at: datetime | None


def age_seconds(connection: Connection) -> float | None:
    """Return how old the counts are, None when nobody has counted yet."""
    age = connection.exec_driver_sql(_AGE).scalar_one()
    return None if age is None else float(age)


def take_turn(connection: Connection) -> bool:
    """Whether it is this transaction that counts; no other may until it has ended.

    The first of all only makes the row that is locked for it: others must not wait for that.
    """
    if connection.exec_driver_sql(_IS_KNOWN).first() is None:
        connection.exec_driver_sql(_MAKE_KNOWN)
        return False
    return connection.exec_driver_sql(_TURN).first() is not None


def count(connection: Connection, *, exactly: bool) -> None:
    """Count all tasks and write the counts; figures that are zero now go."""
    moment = connection.exec_driver_sql("SELECT UTC_TIMESTAMP(6)").scalar_one()
    names = connection.exec_driver_sql(_QUEUES).scalars()
    counts: Counter[Key] = Counter(_zeros(names))
    counts.update(_exact(connection) if exactly else _quick(connection))
    rows = [(*key, number, moment) for key, number in counts.items()]
    insert_rows(connection, _INSERT, "(%s, %s, %s, %s, %s)", rows)
    connection.exec_driver_sql(_FORGET, (moment,))


def totals(connection: Connection) -> Totals:
    """Return how many tasks there are in each status, without callbacks, as last counted."""
    rows = connection.exec_driver_sql(_TOTALS).all()
    by_status = dict.fromkeys(Status, 0) | {Status(row[0]): int(row[1]) for row in rows}
    return Totals(by_status, max((row[2] for row in rows), default=None))


def by_state(connection: Connection) -> Mapping[State, int] | None:
    """Return how many tasks there are in each state; None when nobody has counted yet.

    As last counted, but for what is QUEUED: that is counted among the live leases now.
    """
    found = totals(connection)
    if found.counted_at is None:
        return None
    counts: Counter[State] = Counter(dict.fromkeys(State, 0))
    for status, number in found.by_status.items():
        counts[state_of(status, None)] += number
    queued = int(connection.exec_driver_sql(COUNT_QUEUED).scalar_one())
    counts[State.QUEUED] = queued
    counts[State.RUNNING] = max(counts[State.RUNNING] - queued, 0)
    return counts


def matching(connection: Connection, wanted: TaskFilter) -> int | None:
    """Return how many tasks match a filter, as last counted; None where the counts do not tell.

    They tell of queues, priorities, and of what follows from a status.
    """
    words = wanted.words()
    if words.keys() - {"status", "state", "queue", "priority"} or _is_staged(wanted):
        return None
    statuses = wanted.statuses()
    query = select(func.coalesce(func.sum(_COUNTS.c.task_count), 0))
    if not wanted.queue:
        query = query.where(_COUNTS.c.queue != CALLBACK_QUEUE)
    for column, values in (
        (_COUNTS.c.status, statuses),
        (_COUNTS.c.queue, wanted.queue or None),
        (_COUNTS.c.priority, wanted.priority or None),
    ):
        if values is not None:
            query = query.where(column.in_(values))
    return int(connection.execute(query).scalar_one())


def _is_staged(wanted: TaskFilter) -> bool:
    return len({State.QUEUED, State.RUNNING} & set(wanted.state)) == 1


def _zeros(names: Iterable[str]) -> dict[Key, int]:
    return {(name, str(Status.TO_DO), str(Priority.MEDIUM)): 0 for name in names}


def _exact(connection: Connection) -> dict[Key, int]:
    rows = connection.exec_driver_sql(COUNT_EXACTLY)
    return {(queue, status, priority): number for queue, status, priority, number in rows}


def _quick(connection: Connection) -> Counter[Key]:
    known = {(row[0], row[1], row[2]): row[3] for row in connection.exec_driver_sql(_KNOWN)}
    counts: Counter[Key] = Counter()
    for queue, status, priority, number in connection.exec_driver_sql(COUNT_QUICKLY):
        if priority is None:
            keys = [(queue, status, str(each)) for each in Priority]
            shares = share_out(number, [known.get(key, 0) for key in keys])
            counts.update(dict(zip(keys, shares, strict=True)))
        else:
            counts[queue, status, priority] += number
    retrying = [key for key in counts if key[1] == Status.RETRYING]
    for queue, status, priority in retrying:
        counts[queue, str(Status.TO_DO), priority] -= counts[queue, status, priority]
    return +counts


def share_out(total: int, shares: Sequence[int]) -> list[int]:
    """Divide a total as `shares` are to one another; the largest takes what is left over.

    Where all are zero, the one in the middle takes all.
    """
    whole = sum(shares)
    largest = shares.index(max(shares)) if whole else len(shares) // 2
    parts = [total * share // whole if whole else 0 for share in shares]
    parts[largest] += total - sum(parts)
    return parts
