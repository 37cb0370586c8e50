"""The bare loop: the limit that a worker is measured against.

Two threads with a connection each, one claims and one settles, by PyMySQL and the very
statements of `schema.statements`: the same rows and columns are written, the payloads and tags
are read, and no worker is around them. It leaves out what a worker asks before a claim: which
queues are open, and which of their priorities have anything.
"""

import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine

from schema.endings import DONE
from schema.statements import (
    CLAIM,
    CLAIM_ONWARD,
    DETAILS,
    INSERT_ATTEMPTS,
    SETTLE,
    TAKE_LEASES,
)
from schema.states import AttemptOutcome, Priority

AHEAD = 2
"""Batches that may be claimed before the first of them is settled."""

PATIENCE_SECONDS = 60.0
"""How long one thread waits for the other before it takes it for dead."""

WORKER_ID = "bench:0:bare"


class _Claimed(NamedTuple):
    id: int
    fence: int
    current_retry_count: int
    available_at: datetime


class _Batch(NamedTuple):
    rows: Sequence[_Claimed]
    now: datetime


_Handover = queue.Queue[_Batch | None]


def drain(engine: Engine, queue_name: str, batch: int) -> None:
    """Claim and settle all tasks of one queue, which are of medium priority."""
    claimed = _Handover(AHEAD)
    with ThreadPoolExecutor(1) as pool:
        settled = pool.submit(_settle_all, engine, claimed)
        for each in _claims(engine, queue_name, batch):
            claimed.put(each, timeout=PATIENCE_SECONDS)
        claimed.put(None, timeout=PATIENCE_SECONDS)
        settled.result()


def _claims(engine: Engine, queue_name: str, batch: int) -> Iterator[_Batch]:
    connection = engine.raw_connection()
    cursor = connection.cursor()
    place = (queue_name, str(Priority.MEDIUM))
    end: tuple[datetime, int] | None = None
    while rows := _lock(cursor, place, end, batch):
        _take(cursor, rows)
        connection.commit()
        end = (rows.rows[-1].available_at, rows.rows[-1].id)
        yield rows
    connection.rollback()
    connection.close()


def _lock(
    cursor: Any, place: tuple[str, str], end: tuple[datetime, int] | None, batch: int
) -> _Batch | None:
    cursor.execute("SELECT UTC_TIMESTAMP(6)")
    (now,) = cursor.fetchone()
    if end is None:
        cursor.execute(CLAIM, (*place, now, batch))
    else:
        cursor.execute(CLAIM_ONWARD, (*place, end[0], end[1], end[0], now, batch))
    names = [column[0] for column in cursor.description]
    positions = [names.index(name) for name in _Claimed._fields]
    found = [_Claimed(*(row[position] for position in positions)) for row in cursor.fetchall()]
    return _Batch(found, now) if found else None


def _take(cursor: Any, batch: _Batch) -> None:
    ids = ",".join(str(row.id) for row in batch.rows)
    cursor.execute(TAKE_LEASES.format(ids=ids), (WORKER_ID, batch.now, batch.now))
    cursor.execute(DETAILS.format(ids=ids))
    cursor.fetchall()


def _settle_all(engine: Engine, claimed: _Handover) -> None:
    connection = engine.raw_connection()
    cursor = connection.cursor()
    while batch := claimed.get(timeout=PATIENCE_SECONDS):
        _settle(cursor, batch)
        connection.commit()
    connection.close()


def _settle(cursor: Any, batch: _Batch) -> None:
    holds = ",".join(f"({row.id},{row.fence + 1})" for row in batch.rows)
    cursor.execute(SETTLE.format(changes=DONE.changes, holds=holds, guard=DONE.guard))
    rows = ",".join(_attempt(row, batch.now) for row in batch.rows)
    cursor.execute(f"{INSERT_ATTEMPTS} VALUES {rows}")


def _attempt(row: _Claimed, now: datetime) -> str:
    """Return the text of an attempts row, written as `schema.endings` does."""
    return (
        f"({row.id},{row.fence + 1},{row.current_retry_count + 1},'{WORKER_ID}',"
        f"'{row.available_at}','{now}','{now}','{AttemptOutcome.SUCCEEDED}',NULL,NULL,NULL,NULL)"
    )
