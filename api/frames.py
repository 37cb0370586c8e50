"""Server-sent events, as text/event-stream has them."""

import random
from collections.abc import Sequence
from typing import Any

import orjson

from schema.listing import TaskRow
from schema.shown import OPTIONS, summary

SHORTEST_RETRY_MS = 1_000
LONGEST_RETRY_MS = 5_000

KEEP_ALIVE = b": keep-alive\n\n"
"""Shows that the stream is there, to the client and to what is in between."""


def opening() -> bytes:
    """Return what begins a stream: when to come back, not all at the same moment."""
    return b"retry: %d\n\n" % random.randint(SHORTEST_RETRY_MS, LONGEST_RETRY_MS)  # noqa: S311  # hides nothing


def snapshot(rows: Sequence[TaskRow]) -> bytes:
    """Return the event that replaces all that the client knows."""
    return _event(b"snapshot", [summary(row) for row in rows])


def task(row: TaskRow) -> bytes:
    """Return the event of a task that is new or changed."""
    return _event(b"task", summary(row))


def gone(task_id: int) -> bytes:
    """Return the event of a task that was deleted, or does not match any more."""
    return _event(b"gone", {"id": task_id})


def numbered(events: Sequence[bytes], event_id: str) -> bytes:
    """Return events of which the last has the id: with it, all were told up to there."""
    return b"".join([*events[:-1], b"id: %b\n" % event_id.encode(), events[-1]])


def _event(name: bytes, content: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, orjson.dumps(content, option=OPTIONS))
