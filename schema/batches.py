"""Verbs on many tasks, with a report: by their ids, or on all that match a filter.

What matches is looked for without locks, then locked and looked at once more: nothing is done to
a task that has left the filter meanwhile. More than MOST_AT_ONCE become a row of `batches`,
which is worked on page by page, from the newest task that there was at the request to the
oldest. Each page is one transaction with the row's progress.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from schema import listing, verbs
from schema.filters import TaskFilter
from schema.limits import MOST_AT_ONCE
from schema.models.requests import Batch
from schema.models.tasks import Task
from schema.states import State, Verb
from schema.verbs import SUCCESSES, Answer, Order, Result

MOST_FAILURES = 1_000
"""Refusals that a batch remembers one by one; all are counted."""

_BATCHES = Batch.__table__
_LISTED = tuple(column for column in _BATCHES.c if column.key != "failures")


@dataclass(frozen=True, slots=True)
class Report:
    """How many tasks a verb was asked for, to how many it was done, and which refused it.

    A verb whose goal held already was done.
    """

    requested: int
    succeeded: int
    failed: Sequence[Result]


BatchRow = dict[str, Any]
"""A batch as read: every column by its name, and its `report`."""


def apply(connection: Connection, order: Order, task_ids: Sequence[int]) -> Report:
    """Do what is ordered to tasks, given by their ids; failures come in their order."""
    results = verbs.apply(connection, order, task_ids)
    failed = [result for result in results if result.answer not in SUCCESSES]
    return Report(len(results), len(results) - len(failed), failed)


def apply_matching(connection: Connection, order: Order, wanted: TaskFilter) -> Report | int:
    """Do what is ordered to the tasks that match, or where they are many, begin a batch.

    Returns the report, or the batch's number.
    """
    found = listing.matching(connection, wanted, limit=MOST_AT_ONCE + 1)
    if len(found) <= MOST_AT_ONCE:
        return _apply_found(connection, order, wanted, found)
    newest = select(func.max(Task.id)).scalar_subquery()
    new = insert(Batch).values(
        verb=order.verb,
        filter=wanted.words(),
        actor=order.actor,
        reason=order.reason,
        last_task_id=newest + 1,
    )
    (batch_id,) = connection.execute(new).inserted_primary_key or (0,)
    return int(batch_id)


def find(connection: Connection, batch_id: int) -> BatchRow | None:
    """Return a batch, or None."""
    found = connection.execute(select(_BATCHES).where(_BATCHES.c.id == batch_id)).one_or_none()
    if found is None:
        return None
    row = dict(found._mapping)  # noqa: SLF001  # its public name
    return row | {"report": Report(row["requested"], row["succeeded"], _failures(row["failures"]))}


def page(
    connection: Connection, *, limit: int, before_id: int | None = None
) -> list[dict[str, Any]]:
    """Return up to `limit` batches without their refusals, newest first, from below `before_id`."""
    query = select(*_LISTED).order_by(_BATCHES.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(_BATCHES.c.id < before_id)
    return [dict(row) for row in connection.execute(query).mappings()]


def running(connection: Connection) -> list[int]:
    """Return the batches that are not through, the oldest first."""
    query = select(_BATCHES.c.id).where(_BATCHES.c.status == "running").order_by(_BATCHES.c.id)
    return list(connection.execute(query).scalars())


def advance(connection: Connection, batch_id: int) -> str | None:
    """Work on one page of a batch, and return its status then.

    None when there is nothing to do: it is through, or somebody else is at it.
    """
    mine = select(_BATCHES).where(_BATCHES.c.id == batch_id, _BATCHES.c.status == "running")
    row = connection.execute(mine.with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return None
    wanted = TaskFilter.of(row.filter)
    found = listing.matching(connection, wanted, limit=MOST_AT_ONCE, before_id=row.last_task_id)
    order = Order(Verb(row.verb), row.actor, row.reason)
    report = _apply_found(connection, order, wanted, found)
    is_through = len(found) < MOST_AT_ONCE
    failed = [*(row.failures or ()), *map(_stored, report.failed)][:MOST_FAILURES]
    change = update(Batch).where(Batch.id == batch_id)
    connection.execute(
        change.values(
            requested=Batch.requested + report.requested,
            succeeded=Batch.succeeded + report.succeeded,
            failures=failed or None,
            last_task_id=found[-1] if found else row.last_task_id,
            status="completed" if is_through else "running",
            finished_at=func.utc_timestamp(6) if is_through else None,
        )
    )
    return "completed" if is_through else "running"


def give_up(connection: Connection, batch_id: int) -> None:
    """Let a batch that cannot be worked on end; what was done stays done."""
    change = update(Batch).where(Batch.id == batch_id, Batch.status == "running")
    connection.execute(change.values(status="failed", finished_at=func.utc_timestamp(6)))


def _apply_found(
    connection: Connection, order: Order, wanted: TaskFilter, found: Sequence[int]
) -> Report:
    verbs.lock(connection, found)
    return apply(connection, order, listing.still_matching(connection, wanted, found))


def _stored(result: Result) -> dict[str, Any]:
    return {
        "id": result.task_id,
        "answer": result.answer,
        "state": result.state,
        "holder_id": result.holder_id,
    }


def _failures(stored: Sequence[dict[str, Any]] | None) -> list[Result]:
    return [
        Result(
            each["id"],
            Answer(each["answer"]),
            state=each["state"] and State(each["state"]),
            holder_id=each["holder_id"],
        )
        for each in stored or ()
    ]
