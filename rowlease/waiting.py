"""Waiting for a task to end."""

import time
from collections.abc import Awaitable, Callable

from rowlease.errors import WaitTimeout
from rowlease.task_records import Task

LONGEST_HELD_SECONDS = 30
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0


async def wait_until_ended(
    look: Callable[[int], Awaitable[Task]],
    sleep: Callable[[float], Awaitable[None]],
    seconds: float | None,
) -> Task:
    """Look until the task has ended; raises WaitTimeout when the seconds are over.

    `look` asks the server to hold the answer for so many seconds or until the task has ended. A
    server that answers at once is asked again after pauses that grow.
    """
    deadline = float("inf") if seconds is None else time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        started = time.monotonic()
        held = max(0, int(min(LONGEST_HELD_SECONDS, deadline - started)))
        task = await look(held)
        now = time.monotonic()
        if task.has_ended:
            return task
        if seconds is not None and now >= deadline:
            raise WaitTimeout(task, seconds)
        if held == 0 or now - started < held:
            await sleep(min(pause, deadline - now))
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
