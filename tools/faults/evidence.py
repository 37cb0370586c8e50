"""The evidence of a run: what the database says, what the API promised, what handlers did."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine

from tools.faults.journal import read


class TaskRow(NamedTuple):
    """A task as it stands."""

    id: int
    title: str
    status: str
    fence: int
    timeout_seconds: int
    retry_limit: int
    current_retry_count: int
    worker_id: str | None
    overdue_seconds: float | None
    is_deleted: int


class AttemptRow(NamedTuple):
    """An ended attempt."""

    task_id: int
    fence: int
    attempt: int
    worker_id: str
    started_at: datetime
    ended_at: datetime
    outcome: str


class EventRow(NamedTuple):
    """What a person did to a task."""

    task_id: int
    created_at: datetime
    verb: str
    from_status: str
    to_status: str | None


class Effect(NamedTuple):
    """A start of a handler."""

    task_id: int
    fence: int
    at: str


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of one task."""

    task_id: int
    row: TaskRow | None
    attempts: Sequence[AttemptRow]
    events: Sequence[EventRow]
    effects: Sequence[Effect]
    acks: Sequence[Mapping[str, Any]]

    @property
    def last_fence(self) -> int:
        """The highest fence that the database knows."""
        fences = [each.fence for each in self.attempts]
        return max([*fences, self.row.fence if self.row else 0])

    def lines(self) -> list[str]:
        """Tell it in the order of time, one line for each thing that happened."""
        told = [(str(ack["at"]), f"API promised {dict(ack)}") for ack in self.acks]
        told += [(effect.at, f"handler began, fence {effect.fence}") for effect in self.effects]
        told += [
            (
                f"{event.created_at.isoformat()}+00:00",
                f"{event.verb}: {event.from_status} -> {event.to_status}",
            )
            for event in self.events
        ]
        for each in self.attempts:
            who = f"fence {each.fence}, attempt {each.attempt}, {each.worker_id}"
            told.append((f"{each.started_at.isoformat()}+00:00", f"claimed: {who}"))
            told.append((f"{each.ended_at.isoformat()}+00:00", f"{each.outcome}: {who}"))
        return [f"{at}  {what}" for at, what in sorted(told)] + [f"row: {self.row}"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence of a whole run. `gone_workers`: stopped or dead; `workers`: all."""

    tasks: Mapping[int, TaskRow]
    attempts: Mapping[int, Sequence[AttemptRow]]
    events: Mapping[int, Sequence[EventRow]]
    effects: Mapping[int, Sequence[Effect]]
    acks: Sequence[Mapping[str, Any]]
    workers: Mapping[str, str]

    def histories(self) -> Iterable[History]:
        """Return the history of each task that anything knows of, in the order of their ids."""
        acks: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for ack in self.acks:
            if ack.get("id") is not None:
                acks[ack["id"]].append(ack)
        ids = self.tasks.keys() | self.attempts.keys() | self.effects.keys() | acks.keys()
        for task_id in sorted(ids):
            yield History(
                task_id,
                self.tasks.get(task_id),
                self.attempts.get(task_id, ()),
                self.events.get(task_id, ()),
                self.effects.get(task_id, ()),
                acks.get(task_id, ()),
            )


_TASKS = """SELECT id, title, status, fence, timeout_seconds, retry_limit, current_retry_count,
    worker_id, TIMESTAMPDIFF(MICROSECOND, lease_expires_at, UTC_TIMESTAMP(6)) / 1e6,
    delete_requested_at IS NOT NULL FROM tasks"""
_ATTEMPTS = """SELECT task_id, fence, attempt, worker_id, started_at, ended_at, outcome
FROM task_attempts ORDER BY task_id, fence"""
_EVENTS = """SELECT task_id, created_at, verb, from_status, to_status
FROM task_events ORDER BY task_id, id"""


def gather(engine: Engine, acks: Path | None = None, effects: Path | None = None) -> Evidence:
    """Read the evidence, all tables in one snapshot."""
    with engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        tasks = [TaskRow(*row) for row in connection.exec_driver_sql(_TASKS)]
        workers = connection.exec_driver_sql("SELECT id, status FROM workers").all()
        return Evidence(
            tasks={task.id: task for task in tasks},
            attempts=_by_task(AttemptRow(*row) for row in _read(connection, _ATTEMPTS)),
            events=_by_task(EventRow(*row) for row in _read(connection, _EVENTS)),
            effects=_by_task(
                Effect(line["task"], line["fence"], line["at"])
                for line in (read(effects) if effects else ())
            ),
            acks=list(read(acks)) if acks else [],
            workers={row.id: row.status for row in workers},
        )


def _read(connection: Connection, query: str) -> Iterable[Any]:
    return connection.exec_driver_sql(query)


def _by_task(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.task_id].append(row)
    return dict(found)
