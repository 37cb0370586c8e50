"""Pruning: takes away what has been kept for long enough, in small pages and with rests."""

import threading
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, Engine

from reaper import archiving
from schema import archive, retention
from schema.retention import Keep, Stretch
from schema.runtime.logging import get_logger
from schema.runtime.metrics import PRUNED
from schema.runtime.transactions import run

log = get_logger(__name__)

PRUNING_SECONDS = 3600.0
FIRST_AFTER_SECONDS = 2.0

WALK = 1_000
"""Tasks that are looked at by one statement, without locks."""

PAGE = 500
"""Tasks that one transaction takes away."""

REST = 4
"""How many times as long as its page took the chore rests: workers come first."""

LEAST_PER_SECOND = 650
"""But no longer than for this rate: a million tasks shall go within half an hour."""


class Pruning:
    """A chore. Any number of reapers may do it at once: each leaves what another has locked."""

    def __init__(
        self, engine: Engine, keep: Keep, stop: threading.Event, archive_url: str | None = None
    ) -> None:
        self._engine = engine
        self._keep = keep
        self._stop = stop
        self._archive_url = archive_url

    def __call__(self) -> None:
        """Walk over all tasks once, and take away what is due."""
        pruned, after = 0, 0
        while not self._stop.is_set():
            stretch = self._walk(after)
            for start in range(0, len(stretch.due), PAGE):
                pruned += self._prune(stretch, start)
            self._orphans(stretch)
            after = stretch.until
            if stretch.is_last:
                self._rested(partial(retention.erase_workers, keep=self._keep, limit=WALK))
                break
        if pruned:
            log.info("tasks pruned", count=pruned)
            PRUNED.inc(pruned)

    def _walk(self, after: int) -> Stretch:
        return run(
            self._engine, lambda connection: retention.walk(connection, self._keep, after, WALK)
        )

    def _prune(self, stretch: Stretch, start: int) -> int:
        if self._stop.is_set():
            return 0
        page = stretch.due[start : start + PAGE]

        def prune(connection: Connection) -> int:
            locked = retention.lock(connection, page, stretch.newest)
            if locked and self._archive_url:
                archiving.write(self._archive_url, archive.documents(connection, locked))
            if locked:
                retention.erase(connection, locked)
            return len(locked)

        return self._rested(prune)

    def _orphans(self, stretch: Stretch) -> None:
        """Take away what is left of tasks that were deleted long ago."""

        def prune(connection: Connection) -> int:
            return retention.erase_orphans(connection, self._keep, stretch, WALK)

        while not self._stop.is_set() and self._rested(prune) > 0:
            pass

    def _rested(self, work: Callable[[Connection], int]) -> int:
        """Do one page, and rest in proportion to what it cost."""
        began = time.monotonic()
        count = run(self._engine, work)
        if count:
            self._stop.wait(rest_after(time.monotonic() - began, count))
        return count


def rest_after(seconds: float, count: int) -> float:
    """Return how long to rest after a page of so many rows that took `seconds`."""
    return min(REST * seconds, max(count / LEAST_PER_SECOND - seconds, 0))
