"""arq on Redis."""

import asyncio
from collections.abc import Sequence
from typing import Any

from arq import ArqRedis, create_pool
from arq.connections import RedisSettings

from tools.bench.peers.apps.ground import STORE_URL, Peer, become, note

TOGETHER = 100
"""Creations under way at once: arq has none for several tasks."""

_pools: list[ArqRedis] = []


async def noted(context: Any, number: int) -> None:  # noqa: ARG001
    """Note that it was carried out."""
    note(number)


class WorkerSettings:
    """What arq's command is told."""

    functions = (noted,)
    redis_settings = RedisSettings.from_dsn(STORE_URL)
    max_jobs = 100
    keep_result = 0
    health_check_interval = 60


async def begin() -> None:
    """Connect."""
    _pools.append(await create_pool(WorkerSettings.redis_settings))


async def one(number: int) -> None:
    """Create a task."""
    await _pools[0].enqueue_job("noted", number)


async def many(numbers: Sequence[int]) -> None:
    """Create tasks, many at once."""
    for start in range(0, len(numbers), TOGETHER):
        await asyncio.gather(*map(one, numbers[start : start + TOGETHER]))


def worker() -> None:
    """Become the worker."""
    become("arq", f"{__name__}.WorkerSettings")


PEER = Peer(one=one, many=many, worker=worker, begin=begin)
