"""How often one may ask: a bucket for each asker, counted in this process."""

import math
import time
from collections.abc import Callable, Hashable

from api.problems import Problem
from schema.runtime.settings import Rate

MOST_ASKERS = 10_000
"""Askers that are remembered; beyond them the one that was silent longest is forgotten."""


class Rates:
    """A bucket of `rate.requests` for each asker, which fills up in `rate.seconds`."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = rate.seconds / rate.requests
        self._room = rate.seconds - self._interval
        self._clock = clock
        self._full_at: dict[Hashable, float] = {}

    def check(self, asker: Hashable) -> None:
        """Raise Problem (429) when nothing is left in the bucket."""
        full_at = self._full_at.get(asker)
        if full_at is None:
            return
        wait = full_at - self._clock() - self._room
        # The sum of many intervals is not quite what it should be.
        if wait > self._interval / 1_000:
            seconds = max(math.ceil(wait), 1)
            values = {"seconds": seconds}
            raise Problem(429, "too_many", values=values, headers={"retry-after": str(seconds)})

    def spend(self, asker: Hashable) -> None:
        """Take one out of the bucket; raises Problem (429) when nothing is left in it."""
        self.check(asker)
        full_at = self._full_at.pop(asker, 0)
        if len(self._full_at) >= MOST_ASKERS:
            del self._full_at[next(iter(self._full_at))]
        self._full_at[asker] = max(full_at, self._clock()) + self._interval
