"""What a process has beside its database: Redis, if there is one, and who follows changes."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from api.access import Access
from api.caching import Cache
from api.database import Database
from api.feed import hear_changes
from api.hub import Hub
from schema import changes
from schema.changes import Notice
from schema.runtime.notices import Publisher
from schema.runtime.redis_link import RedisLink
from schema.runtime.settings import Settings

CANCEL_SECONDS = 0.2
"""How long one that was cancelled may take before it is cancelled again."""


@dataclass(frozen=True, slots=True)
class Channels:
    """The hub of those who follow, and the read cache; None without REDIS_URL."""

    hub: Hub
    cache: Cache | None


@asynccontextmanager
async def open_channels(
    settings: Settings, database: Database, access: Access
) -> AsyncIterator[Channels]:
    """Tell and hear of changes, and count requests with others, until the block ends."""
    hub = Hub(database, settings.max_streams)
    if settings.redis_url is None:
        async with _running(hub.run()):
            yield Channels(hub, None)
        return
    link = RedisLink(settings.redis_url, settings.database.database)
    access.share(link)

    async def read(task_ids: Sequence[int]) -> Sequence[Notice]:
        return await database.read(lambda connection: changes.read(connection, task_ids))

    publisher = Publisher(link, read)
    database.announce(publisher)
    cache = Cache(link)
    async with _running(hub.run(), hear_changes(link, hub.hear), publisher.run()):
        try:
            yield Channels(hub, cache)
        finally:
            cache.close()
    await link.close()


@asynccontextmanager
async def _running(*parts: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    running = {asyncio.create_task(part) for part in parts}
    try:
        yield
    finally:
        while running:  # a driver may take a cancellation for an error of its own, and go on
            for each in running:
                each.cancel()
            _, running = await asyncio.wait(running, timeout=CANCEL_SECONDS)
