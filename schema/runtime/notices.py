"""Publishing change notices: after each COMMIT, which tasks it changed, for who listens on Redis.

Best effort: what cannot be told soon is dropped, and a later message says that some were.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet

import orjson
from redis.asyncio import Redis

from schema.changes import Notice
from schema.runtime.redis_link import RedisLink
from schema.runtime.redis_scripts import ANNOUNCE, GONE

MESSAGE_TASKS = 500
MOST_WAITING = 10_000
"""Tasks that wait to be told of; when there are more, all are dropped."""

Read = Callable[[Sequence[int]], Awaitable[Sequence[Notice]]]
"""Reads tasks as they are now."""


class Publisher:
    """Tells of what is put into it, all that came meanwhile at once. Belongs to one event loop."""

    def __init__(self, link: RedisLink, read: Read, *, gather_seconds: float = 0) -> None:
        self._link = link
        self._read = read
        self._gather_seconds = gather_seconds
        self._changed: set[int] = set()
        self._dropped = False
        self._busy = False
        self._flushed: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()

    def put(self, task_ids: AbstractSet[int]) -> None:
        """Have tasks told of whose change is committed. Never blocks."""
        if self._link.is_away or len(self._changed) + len(task_ids) > MOST_WAITING:
            self._changed.clear()
            self._dropped = True
        else:
            self._changed |= task_ids
            self._wake.set()

    async def flushed(self) -> None:
        """Wait until Redis has taken what was put before, or will not."""
        if not self._changed and not self._busy:
            return
        self._wake.set()
        future = asyncio.get_running_loop().create_future()
        self._flushed.append(future)
        await future

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._gather_seconds)
            await self._publish_all()

    async def _publish_all(self) -> None:
        self._wake.clear()
        changed, self._changed = sorted(self._changed), set()
        flushed, self._flushed = self._flushed, []
        self._busy = True
        try:
            for start in range(0, len(changed), MESSAGE_TASKS):
                await self._publish(changed[start : start + MESSAGE_TASKS])
        finally:
            self._busy = False
            for future in flushed:
                if not future.done():
                    future.set_result(None)

    async def _publish(self, task_ids: Sequence[int]) -> None:
        try:
            notices = await self._read(task_ids)
        except Exception:  # noqa: BLE001  # whoever needs the database says what is wrong with it
            self._dropped = True
            return
        dropped, self._dropped = self._dropped, False
        told = await self._link.ask(
            "publishing", lambda client: announce(client, self._link, notices, dropped=dropped)
        )
        self._dropped = self._dropped or (told is None)


async def announce(
    client: Redis, link: RedisLink, notices: Sequence[Notice], *, dropped: bool = False
) -> int:
    """Raise the versions that Redis knows of tasks, publish, and return the message's number."""
    keys = [f"{link.prefix}number"]
    versions = []
    for notice in notices:
        keys += keys_of_task(link, notice.id)
        versions.append(GONE if notice.version is None else notice.version)
    number = await client.eval(
        ANNOUNCE, len(keys), *keys, link.channel, _message(notices, dropped=dropped), *versions
    )
    return int(number)


def keys_of_task(link: RedisLink, task_id: int) -> tuple[str, str]:
    """Return where a task's version and its answer are kept."""
    return f"{link.prefix}version:/tasks/{task_id}", f"{link.prefix}answer:/tasks/{task_id}"


def _message(notices: Sequence[Notice], *, dropped: bool) -> bytes:
    """Return a message without its beginning, which Redis writes: {"number":N."""
    rest = {"dropped": dropped, "changes": [notice._asdict() for notice in notices]}
    return b"," + orjson.dumps(rest)[1:]
