"""Handlers that note each start outside of the database: EFFECTS names the file.

An effect is what a handler does to the world, once for each time that it was started.
"""

import asyncio
import os
import signal
import time
from functools import cache
from pathlib import Path
from typing import Any

from tools.faults.journal import Journal
from worker import Context, HandlerEnded, Hold, Snooze, handler

COROUTINE = "faults.coroutine"
FUNCTION = "faults.function"
THREAD = "faults.thread"
POISON = "faults.poison"
TYPES = (COROUTINE, FUNCTION, THREAD, POISON)


@cache
def _effects() -> Journal:
    return Journal(Path(os.environ["EFFECTS"]))


def _begin(context: Context) -> None:
    _effects().add(task=context.task_id, fence=context.fence)


def _end(context: Context, payload: dict[str, Any]) -> int:
    """End as the payload says: {"ends": ["error", "snooze", "hold"]}, one word for each attempt."""
    ends = payload.get("ends", [])
    word = ends[context.fence - 1] if context.fence <= len(ends) else "success"
    match word:
        case "error":
            raise ValueError("as it was told")
        case "snooze":
            raise Snooze(0.1)
        case "hold":
            raise Hold("as it was told")
    return context.fence


@handler(COROUTINE)
async def coroutine(context: Context, payload: dict[str, Any]) -> int:
    """Wait and end, in the event loop."""
    _begin(context)
    await asyncio.sleep(payload.get("seconds", 0))
    return _end(context, payload)


def _sleep(context: Context, payload: dict[str, Any]) -> int:
    _begin(context)
    deadline = time.monotonic() + payload.get("seconds", 0)
    while (left := deadline - time.monotonic()) > 0:
        if context.cancelled:
            raise HandlerEnded
        time.sleep(min(left, 0.05))
    return _end(context, payload)


handler(FUNCTION)(_sleep)
handler(THREAD, executor="thread")(_sleep)


@handler(POISON)
def poison(context: Context, payload: dict[str, Any]) -> None:  # noqa: ARG001
    """Take the process down that runs it."""
    _begin(context)
    os.kill(os.getpid(), signal.SIGKILL)
