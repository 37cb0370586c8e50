"""Redis, where there is one: what it does for this process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from api.access import Access
from api.caching import Cache
from api.database import Database
from schema import changes
from schema.changes import Notice
from schema.runtime.notices import Publisher
from schema.runtime.redis_link import RedisLink
from schema.runtime.settings import Settings


@asynccontextmanager
async def open_redis(
    settings: Settings, database: Database, access: Access
) -> AsyncIterator[Cache | None]:
    """Tell of what this process changes, count with others, and yield the read cache.

    Without REDIS_URL it does none of these, and yields None.
    """
    if settings.redis_url is None:
        yield None
        return
    link = RedisLink(settings.redis_url, settings.database.database)
    access.share(link)

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
