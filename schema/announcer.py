"""A thread that publishes the change notices of a process without an event loop."""

import asyncio
import threading
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress

from schema import changes
from schema.changes import Notice
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_thread_engine
from schema.runtime.notices import Publisher
from schema.runtime.redis_link import RedisLink

GATHER_SECONDS = 0.02
"""How long a change waits for others, so that a task that is claimed and settled is read once."""

ANSWER_SECONDS = 3
CLOSE_SECONDS = 1.0


class Announcer:
    """A thread with an event loop, and a connection to the database, of its own."""

    def __init__(self, redis_url: str, database: DatabaseAddress) -> None:
        self._redis_url = redis_url
        self._database = database
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()
        self._ready.wait()

    def put(self, task_ids: AbstractSet[int]) -> None:
        """Hand over tasks whose change is committed, from any thread."""
        with suppress(RuntimeError):  # the loop has ended: this comes too late
            self._loop.call_soon_threadsafe(self._publisher.put, frozenset(task_ids))

    def close(self) -> None:
        """Publish what is left, if a moment does for that."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        self._engine = create_thread_engine(
            self._database, connections=1, answer_seconds=ANSWER_SECONDS
        )
        asyncio.run(self._publish())
        self._engine.dispose()

    async def _publish(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        link = RedisLink(self._redis_url, self._database.database)
        self._publisher = Publisher(link, self._read, gather_seconds=GATHER_SECONDS)
        publishing = asyncio.create_task(self._publisher.run())
        self._ready.set()
        await self._closing.wait()
        await self._publisher.flushed()
        publishing.cancel()
        await link.close()

    async def _read(self, task_ids: Sequence[int]) -> Sequence[Notice]:
        # This thread has nothing else to do meanwhile.
        with self._engine.connect() as connection:
            return changes.read(connection, task_ids)
