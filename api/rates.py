"""How often one may ask: a bucket for each asker, counted in Redis by all processes together.

Without Redis, and while it is away, each process counts for itself.
"""

import itertools
import math
import time
from collections.abc import Callable, Sequence

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from api.gathering import Gathered
from api.problems import Problem
from schema.runtime.redis_link import NonsenseError, RedisLink
from schema.runtime.redis_scripts import TAKE
from schema.runtime.settings import Rate

MOST_ASKERS = 10_000
"""Askers that are remembered; beyond them the one that was silent longest is forgotten."""

MICROSECONDS = 1_000_000

Taking = tuple[int, str, str]
"""What is asked of Redis: a number that tells it from all others, who is checked, who spends."""


class Rates:
    """A bucket of `rate.requests` for each asker, which fills up in `rate.seconds`."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = rate.seconds / rate.requests
        self._room = rate.seconds - self._interval
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._shared: Gathered[Taking, int] | None = None
        self._numbers = itertools.count()

    def share(self, link: RedisLink) -> None:
        """Count together with all other processes of this Redis, as long as it answers."""

        async def take(takings: Sequence[Taking]) -> Sequence[int] | None:
            return await link.ask("counting requests", lambda client: self._ask(client, takings))

        self._prefix = f"{link.prefix}rate:"
        self._shared = Gathered(take)

    async def take(self, checked: str, spender: str) -> None:
        """Take one out of the spender's bucket, unless that of `checked` is empty.

        Raises Problem (429) when nothing is left in one of the two.
        """
        wait = None
        if self._shared is not None:
            wait = await self._shared.ask((next(self._numbers), checked, spender))
        if wait is None:
            self.check(checked)
            self.spend(spender)
        elif wait:
            raise _refusal(wait / MICROSECONDS)

    def check(self, asker: str) -> None:
        """Raise Problem (429) when nothing is left in the bucket of this process."""
        full_at = self._full_at.get(asker)
        if full_at is None:
            return
        wait = full_at - self._clock() - self._room
        # The sum of many intervals is not quite what it should be.
        if wait > self._interval / 1_000:
            raise _refusal(wait)

    def spend(self, asker: str) -> None:
        """Take one out of the bucket of this process; raises Problem (429) when none is left."""
        self.check(asker)
        full_at = self._full_at.pop(asker, 0)
        if len(self._full_at) >= MOST_ASKERS:
            del self._full_at[next(iter(self._full_at))]
        self._full_at[asker] = max(full_at, self._clock()) + self._interval

    async def _ask(self, client: Redis, takings: Sequence[Taking]) -> Sequence[int]:
        pipeline = client.pipeline(transaction=False)
        interval, room = self._interval * MICROSECONDS, self._room * MICROSECONDS
        for _, checked, spender in takings:
            keys = (self._prefix + checked, self._prefix + spender)
            pipeline.eval(TAKE, 2, *keys, repr(interval), repr(room))
        waits = await pipeline.execute(raise_on_error=False)
        for wait in waits:
            if isinstance(wait, ResponseError):
                raise wait
            if not isinstance(wait, int):
                raise NonsenseError(f"EVAL is {wait!r:.100}")
        return waits


def _refusal(wait: float) -> Problem:
    seconds = max(math.ceil(wait), 1)
    headers = {"retry-after": str(seconds)}
    return Problem(429, "too_many", values={"seconds": seconds}, headers=headers)
