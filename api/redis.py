"""Redis, where there is one: what it does for this process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from api.caching import Cache
from api.database import Database
from schema import changes
from schema.changes import Notice
from schema.runtime.notices import Publisher
from schema.runtime.redis_link import RedisLink
from schema.runtime.settings import Settings


@asynccontextmanager
async def open_redis(settings: Settings, database: Database) -> AsyncIterator[Cache | None]:
    """Tell of what this process changes, and yield the read cache; None without REDIS_URL."""
    if settings.redis_url is None:
        yield None
        return
    link = RedisLink(settings.redis_url, settings.database.database)

    async def read(task_ids: Sequence[int]) -> Sequence[Notice]:
        return await database.read(lambda connection: changes.read(connection, task_ids))

    publisher = Publisher(link, read)
    database.announce(publisher)
    publishing = asyncio.create_task(publisher.run())
    cache = Cache(link)
    try:
        yield cache
    finally:
        cache.close()
        publishing.cancel()
        await link.close()
