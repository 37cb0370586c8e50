"""taskiq on Redis: a list, where tasks are popped; or a stream, where they are acknowledged."""

import asyncio
from collections.abc import Sequence

from taskiq_redis import ListQueueBroker, RedisStreamBroker

from tools.bench.peers.apps.ground import STORE_URL, VARIANT, Peer, become, note

TOGETHER = 100
"""Creations under way at once: taskiq has none for several tasks."""

broker = (RedisStreamBroker if VARIANT == "stream" else ListQueueBroker)(STORE_URL)


@broker.task
async def noted(number: int) -> None:
    """Note that it was carried out."""
    note(number)


async def begin() -> None:
    """Connect."""
    await broker.startup()


async def one(number: int) -> None:
    """Create a task."""
    await noted.kiq(number)


async def many(numbers: Sequence[int]) -> None:
    """Create tasks, many at once."""
    for start in range(0, len(numbers), TOGETHER):
        await asyncio.gather(*map(noted.kiq, numbers[start : start + TOGETHER]))


def worker() -> None:
    """Become the worker, of one process."""
    become(
        *("taskiq", "worker", f"{__name__}:broker", "--workers=1", "--log-level=WARNING"),
        *("--max-async-tasks=500", "--max-prefetch=500"),
    )


PEER = Peer(one=one, many=many, worker=worker, begin=begin)
