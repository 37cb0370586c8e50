"""The way to Redis, when it does not behave."""

import asyncio

import pytest
from redis.asyncio import Redis

from schema.runtime import redis_link
from schema.runtime.redis_link import RedisLink
from tools.servers.ports import LOOPBACK, free_port


def test_a_probe_that_loses_a_cancellation_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_link, "REST_SECONDS", 0.02)
    lost = 0

    async def run() -> None:
        asked = asyncio.Event()

        async def moment(_client: Redis) -> int:
            nonlocal lost
            asked.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost == 1:
                    raise ConnectionError from None
                raise
            return 0

        monkeypatch.setattr(redis_link, "moment", moment)
        monkeypatch.setattr(redis_link, "LIMIT_SECONDS", 60)
        link = RedisLink(f"redis://{LOOPBACK}:{free_port()}/0", "rowlease")
        link.leave(OSError("it is away"))
        await asked.wait()
        async with asyncio.timeout(10):
            await link.close()

    asyncio.run(run())
    assert lost
