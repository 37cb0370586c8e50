"""Hints that a run may have ended: its watch looks at once, instead of when it would have.

The heart brings them. A false one costs one look.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

_awaited: dict[int, "Hints"] = {}
"""By task. Entered and left in the event loop, read by the heart."""


class Hints:
    """What the heart has heard of one task."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._given = asyncio.Event()
        self._last: str | None = None

    async def wait(self, seconds: float) -> None:
        """Wait for so long, or until the next hint; one that has come meanwhile counts."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._given.wait()
        self._given.clear()

    def hear(self, moment: str) -> None:
        """Take note of the last hint; called from another thread, again and again."""
        if moment != self._last:
            self._last = moment
            with suppress(RuntimeError):  # the worker ends
                self._loop.call_soon_threadsafe(self._given.set)


@contextmanager
def awaited(task_id: int) -> Iterator[Hints]:
    """Let hints about a task be heard."""
    hints = _awaited[task_id] = Hints()
    try:
        yield hints
    finally:
        if _awaited.get(task_id) is hints:
            del _awaited[task_id]


def are_awaited() -> bool:
    """Whether anybody wants to hear any."""
    return bool(_awaited)


def tell(noted: Mapping[int, str]) -> None:
    """Tell of the last hints whoever waits for them: their moments, by task."""
    for task_id, hints in list(_awaited.items()):
        if task_id in noted:
            hints.hear(noted[task_id])
