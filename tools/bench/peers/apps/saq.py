"""SAQ on Redis."""

import asyncio
from collections.abc import Sequence
from typing import Any

from saq import Queue

from tools.bench.peers.apps.ground import STORE_URL, Peer, become, note

TOGETHER = 100
"""Creations under way at once: SAQ has none for several tasks."""

queue = Queue.from_url(STORE_URL)


async def noted(context: Any, *, number: int) -> None:  # noqa: ARG001
    """Note that it was carried out."""
    note(number)


settings = {"queue": queue, "functions": [noted], "concurrency": 100}


async def begin() -> None:
    """Connect."""
    await queue.connect()


async def one(number: int) -> None:
    """Create a task."""
    await queue.enqueue("noted", number=number)


async def many(numbers: Sequence[int]) -> None:
    """Create tasks, many at once."""
    for start in range(0, len(numbers), TOGETHER):
        await asyncio.gather(*map(one, numbers[start : start + TOGETHER]))


def worker() -> None:
    """Become the worker."""
    become("saq", f"{__name__}.settings", "--quiet")


PEER = Peer(one=one, many=many, worker=worker, begin=begin)
