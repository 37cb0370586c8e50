"""Handlers that do next to nothing, so that what is measured is the worker."""

import time
from typing import Any

from worker import Context, handler

NOOP = "bench.noop"
NOOP_FUNCTION = "bench.noop_function"
NOOP_THREAD = "bench.noop_thread"
STAMP = "bench.stamp"


@handler(NOOP)
async def noop(context: Context, payload: dict[str, Any]) -> None:
    """Do nothing, in the event loop."""


@handler(NOOP_FUNCTION)
def noop_function(context: Context, payload: dict[str, Any]) -> None:
    """Do nothing, in a child process."""


@handler(NOOP_THREAD, executor="thread")
def noop_thread(context: Context, payload: dict[str, Any]) -> None:
    """Do nothing, in a thread."""


@handler(STAMP)
async def stamp(context: Context, payload: dict[str, Any]) -> int:  # noqa: ARG001
    """Return when it began: nanoseconds on the monotonic clock, which all processes share."""
    return time.monotonic_ns()
