"""How the whole system stands: who works, what waits, what fails, and what is wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from schema import counts, dispatcher, listing, pressure
from schema.documents import decode
from schema.filters import TaskFilter
from schema.models.schedules import DUE_INDEX
from schema.queue_choice import QueueChoice
from schema.statements import QUEUE_STANDINGS
from schema.states import State, Status

STALE_SECONDS = 5.0
"""A worker beats every second: one that has not for so long is in trouble, or gone."""

SILENT_SECONDS = 120.0
"""The reaper counts every few seconds: counts of this age say that none runs."""

OVERDUE_SECONDS = 60.0
"""A schedule fires within a second of its time, unless no reaper runs."""

MOST_QUEUES = 1_000
"""Queues that are looked at, by their names."""

MOST_OVERDUE = 20
MOST_CLASSES = 10

MOST_ERRORS = 100
"""The newest tasks with errors, of which classes are counted. They are found among so many of each
queue that has some."""

_LIVE = f"""SELECT status, slots, queues,
    last_heartbeat_at < UTC_TIMESTAMP(6) - INTERVAL {STALE_SECONDS} SECOND AS is_stale
FROM workers WHERE status IN ('alive', 'draining')"""  # noqa: S608  # a constant

_OVERDUE = f"""SELECT id, name, next_execution_time FROM schedules FORCE INDEX ({DUE_INDEX})
WHERE status = 'active'
    AND next_execution_time < UTC_TIMESTAMP(6) - INTERVAL {OVERDUE_SECONDS} SECOND
ORDER BY next_execution_time LIMIT {MOST_OVERDUE}"""  # noqa: S608  # constants

_WITH_ERRORS = TaskFilter(status=[Status.FAILED, Status.RETRYING])


class AlarmCode(StrEnum):
    """What is wrong.

    - dispatcher_stopped: nothing is claimed anywhere
    - reaper_silent: nobody has counted tasks for long, so leases do not expire, schedules do not
      fire, and counts are old
    - no_worker: tasks are due and no worker lives; with a queue: none that takes that queue
    - queue_paused: nothing of a queue is claimed
    - schedule_overdue: it ought to have fired
    - purge_held_up: a transaction has been open for long, or many row versions wait for the purge:
      claims get slower
    """

    DISPATCHER_STOPPED = "dispatcher_stopped"
    REAPER_SILENT = "reaper_silent"
    NO_WORKER = "no_worker"
    QUEUE_PAUSED = "queue_paused"
    SCHEDULE_OVERDUE = "schedule_overdue"
    PURGE_HELD_UP = "purge_held_up"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that is wrong: since when and until when (naive UTC), and what it is about."""

    code: AlarmCode
    since: datetime | None = None
    until: datetime | None = None
    queue: str | None = None
    schedule_id: int | None = None
    name: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Workforce:
    """Live workers and their slots.

    `alive` beat and claim, `draining` beat and end what they run, `stale` have not been heard of
    for STALE_SECONDS. `choices` are the queues of those that are alive, as each was configured.
    """

    alive: int = 0
    draining: int = 0
    stale: int = 0
    slots: int = 0
    choices: Sequence[Sequence[str]] = ()

    def takes(self, queue: str) -> bool:
        """Whether any of them takes a queue."""
        return any(QueueChoice.parse(",".join(each)).ordered([queue]) for each in self.choices)


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """How many tasks have an error of a class, and the newest of them; None: it has no class."""

    name: str | None
    tasks: int
    newest_id: int


@dataclass(frozen=True, slots=True)
class Overview:
    """How the system stands at a moment (naive UTC); `by_state` None: nobody has counted yet."""

    now: datetime
    by_state: Mapping[State, int] | None
    counted_at: datetime | None
    oldest_seconds: float | None
    workforce: Workforce
    alarms: Sequence[Alarm] = field(default_factory=tuple)


def look(connection: Connection) -> Overview:
    """Return how everything stands. A few short statements, which need not see the same moment."""
    queues = standings(connection)
    now = connection.exec_driver_sql("SELECT UTC_TIMESTAMP(6)").scalar_one()
    force = workforce(connection)
    by_state = counts.by_state(connection)
    counted_at = counts.totals(connection).counted_at
    ages = [(each.now - each.due_since).total_seconds() for each in queues]
    alarms = (
        *_stopped(connection),
        *(_silent(now, counted_at) if queues else ()),
        *unserved(queues, force),
        *_held_up(connection, now),
        *_paused(queues),
        *_overdue(connection),
    )
    oldest = max(ages, default=0)
    return Overview(now, by_state, counted_at, oldest if oldest > 0 else None, force, alarms)


def error_classes(connection: Connection) -> list[ErrorClass]:
    """Return the classes of error of failed tasks and of those that are tried again, by number.

    Of the newest MOST_ERRORS such tasks, as a list would show them; at most MOST_CLASSES.
    """
    newest = listing.page(connection, _WITH_ERRORS, limit=MOST_ERRORS).tasks
    found: dict[str | None, list[int]] = {}
    for task in newest:
        found.setdefault(task["error_class"], []).append(task["id"])
    classes = [ErrorClass(name, len(ids), ids[0]) for name, ids in found.items()]
    return sorted(classes, key=lambda each: (-each.tasks, each.name or ""))[:MOST_CLASSES]


def standings(connection: Connection) -> Sequence[Any]:
    """Return of each queue name, now, due_since, is_closed, and why, since when and how long."""
    return connection.exec_driver_sql(QUEUE_STANDINGS, (MOST_QUEUES,)).all()


def workforce(connection: Connection) -> Workforce:
    """Return who works."""
    rows = connection.exec_driver_sql(_LIVE).all()
    beating = [row for row in rows if not row.is_stale]
    alive = [row for row in beating if row.status == "alive"]
    return Workforce(
        alive=len(alive),
        draining=len(beating) - len(alive),
        stale=len(rows) - len(beating),
        slots=sum(row.slots for row in alive),
        choices=[decode(row.queues) for row in alive],
    )


def _stopped(connection: Connection) -> Iterator[Alarm]:
    state = dispatcher.state(connection)
    if not state.is_running:
        yield Alarm(AlarmCode.DISPATCHER_STOPPED, since=state.since, reason=state.reason)


def _silent(now: datetime, counted_at: datetime | None) -> Iterator[Alarm]:
    """Yield whether nobody counts; where there is no queue there is nothing to count."""
    if counted_at is None or now - counted_at > timedelta(seconds=SILENT_SECONDS):
        yield Alarm(AlarmCode.REAPER_SILENT, since=counted_at)


def unserved(queues: Sequence[Any], workforce: Workforce) -> Iterator[Alarm]:
    """Yield queues whose due tasks no worker takes; where no worker lives at all, one alarm."""
    due = [each for each in queues if each.due_since < each.now]
    if due and not workforce.choices:
        yield Alarm(AlarmCode.NO_WORKER, since=min(each.due_since for each in due))
        return
    for each in due:
        if not workforce.takes(each.name):
            yield Alarm(AlarmCode.NO_WORKER, since=each.due_since, queue=each.name)


def _held_up(connection: Connection, now: datetime) -> Iterator[Alarm]:
    found = pressure.noted(connection)
    if found is not None and found.old is not None:
        since = now - timedelta(seconds=found.old.seconds)
        yield Alarm(AlarmCode.PURGE_HELD_UP, since=since, reason=str(found.old))
    elif found is not None and found.is_long:
        text = f"{found.history} row versions wait for the purge"
        yield Alarm(AlarmCode.PURGE_HELD_UP, reason=text)


def _paused(queues: Sequence[Any]) -> Iterator[Alarm]:
    for each in queues:
        if each.is_closed:
            yield Alarm(
                AlarmCode.QUEUE_PAUSED,
                since=each.paused_at,
                until=each.resume_at,
                queue=each.name,
                reason=each.paused_reason,
            )


def _overdue(connection: Connection) -> Iterator[Alarm]:
    for row in connection.exec_driver_sql(_OVERDUE):
        yield Alarm(
            AlarmCode.SCHEDULE_OVERDUE,
            since=row.next_execution_time,
            schedule_id=row.id,
            name=row.name,
        )
