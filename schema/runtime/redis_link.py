"""The way to Redis, which nothing depends on: quick, or given up for a while."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from schema.runtime.logging import get_logger

log = get_logger(__name__)

T = TypeVar("T")

LIMIT_SECONDS = 0.015
"""How long a question to Redis may take. What this process itself stood still does not count."""

MOST_LATE = 3
"""How many late answers in a row mean trouble: on a busy machine one alone means nothing."""

REST_SECONDS = 1.0
"""How long after an error nobody but the probe asks Redis anything."""

PROBES = 2
"""How many answers in a row end the rest: one alone may have been luck."""

CANCEL_SECONDS = 0.2
"""How long a probe that was cancelled may take before it is cancelled again."""

CONNECTIONS = 8


class NonsenseError(Exception):
    """Redis, or what is there in its place, gave an answer that cannot be one."""


class RedisLink:
    """Asks Redis, and asks nothing while it is away or slow.

    Belongs to one event loop. An answer that is an error (out of memory, read-only) counts as
    none, and leaves what else is asked alone.
    """

    def __init__(self, url: str, database: str) -> None:
        """`database` keeps several installations apart that share a Redis."""
        self.prefix = f"rowlease:{{{database}}}:1:"
        self.is_away = False
        self._client = Redis(connection_pool=_pool(url))
        self._refused: set[str] = set()
        self._late = 0
        self._since = 0.0
        self._probing: asyncio.Task[None] | None = None

    @property
    def channel(self) -> str:
        """Where change notices are published."""
        return f"{self.prefix}changes"

    async def ask(self, doing: str, question: Callable[[Redis], Awaitable[T]]) -> T | None:
        """Return the answer, or None where there was none in time. `doing` is for the log."""
        if self.is_away:
            return None
        try:
            async with _limit(LIMIT_SECONDS):
                answer = await question(self._client)
        except ResponseError as error:
            self._note_refusal(doing, error)
            return None
        except TimeoutError:
            self._note_late()
            return None
        except Exception as error:  # noqa: BLE001  # whatever is there instead, we go on without it
            self.leave(error)
            return None
        self._late = 0
        if self._refused and doing in self._refused:
            self._refused.remove(doing)
            log.info("redis refusal is over", doing=doing)
        return answer

    def subscription(self) -> Any:
        """Return redis-py's PubSub, which has a connection of its own."""
        return self._client.pubsub(ignore_subscribe_messages=True)

    def leave(self, error: Exception) -> None:
        """Ask nothing more until Redis answers a probe."""
        if self.is_away:
            return
        self.is_away = True
        self._since = time.monotonic()
        log.warning("redis trouble", error=type(error).__name__, message=str(error)[:300])
        self._probing = asyncio.get_running_loop().create_task(self._probe())

    async def close(self) -> None:
        """Close all connections; ask nothing more."""
        self.is_away = True
        while self._probing is not None and not self._probing.done():
            self._probing.cancel()  # redis-py can take it for an error of its own, and go on
            await asyncio.wait([self._probing], timeout=CANCEL_SECONDS)
        await self._client.connection_pool.disconnect()

    async def _probe(self) -> None:
        answers = 0
        while answers < PROBES:
            await asyncio.sleep(REST_SECONDS / PROBES)
            answers = answers + 1 if await self._answers() else 0
        self.is_away = False
        log.info("redis trouble is over", seconds=round(time.monotonic() - self._since, 3))

    async def _answers(self) -> bool:
        try:
            async with _limit(LIMIT_SECONDS):
                await moment(self._client)
        except Exception:  # noqa: BLE001  # still away
            return False
        return True

    def _note_late(self) -> None:
        self._late += 1
        if self._late >= MOST_LATE:
            self._late = 0
            self.leave(TimeoutError(f"no answer within {LIMIT_SECONDS * 1000:g} ms"))

    def _note_refusal(self, doing: str, error: Exception) -> None:
        if doing not in self._refused:
            self._refused.add(doing)
            log.warning("redis refuses", doing=doing, message=str(error)[:300])


async def moment(client: Redis) -> int:
    """Return Redis's own time in milliseconds; raises NonsenseError."""
    return milliseconds(await client.execute_command("TIME"))  # type: ignore[no-untyped-call]


def milliseconds(answer: Any) -> int:
    """Return the time that Redis answered in milliseconds; raises NonsenseError."""
    try:
        seconds, microseconds = answer
        return int(seconds) * 1000 + int(microseconds) // 1000
    except (TypeError, ValueError):
        raise NonsenseError(f"TIME is {answer!r:.100}") from None


@asynccontextmanager
async def _limit(seconds: float) -> AsyncIterator[None]:
    """Raise TimeoutError when the block takes longer.

    In a process that stood still the answer may be there and unread when the time is up: then
    there is as much again to read it.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        timer: asyncio.TimerHandle

        def expire(due: float, *, is_last: bool) -> None:
            nonlocal timer
            now = loop.time()
            if is_last or now - due < seconds / 2:
                limit.reschedule(now)
            else:
                timer = loop.call_later(seconds, partial(expire, now + seconds, is_last=True))

        due = loop.time() + seconds
        timer = loop.call_at(due, partial(expire, due, is_last=False))
        try:
            yield
        finally:
            timer.cancel()


def _pool(url: str) -> BlockingConnectionPool:
    return BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=LIMIT_SECONDS,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,  # it would be told at each connect, for another round trip
    )
