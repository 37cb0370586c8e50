"""One stream of events to one client."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from typing import TypeVar

from api import frames
from api.hub import Hub
from api.topics import Topic

KEEP_ALIVE_SECONDS = 15.0

T = TypeVar("T")

Follow = Callable[[], AbstractContextManager[Topic]]


async def events(hub: Hub, follow: Follow, last_id: str | None) -> AsyncIterator[bytes]:
    """Return the bytes of a stream, from after the event `last_id` if that is still known.

    A client that reads more slowly than things happen gets a new snapshot in place of what it
    missed: nothing is kept for it alone.
    """
    yield frames.opening()
    with follow() as topic:
        number = topic.journal.number_of(last_id)
        while not hub.is_closing:
            if number is None or not topic.journal.has_after(number):
                snapshot = await _patient(hub.snapshot(topic))
                number, event = snapshot or (None, frames.KEEP_ALIVE)
                yield event
            elif number < topic.journal.last:
                number += 1
                yield topic.journal.entry(number)
            elif not await _patient(topic.told.wait()):
                yield frames.KEEP_ALIVE


async def _patient(coming: Awaitable[T]) -> T | None:
    """Return what comes; None: nothing did for so long that the client should hear something."""
    with suppress(TimeoutError):
        async with asyncio.timeout(KEEP_ALIVE_SECONDS):
            return await coming
    return None
