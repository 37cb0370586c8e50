"""The guard against a worker that fails whatever it takes, because something in it is broken."""

import threading
from collections.abc import Callable

from schema.attempts import Failed, Outcome, Succeeded
from schema.runtime.logging import get_logger

log = get_logger(__name__)

MOST_FAILURES = 20
INSTANT_SECONDS = 0.1
SHORTEST_REST_SECONDS = 5.0
LONGEST_REST_SECONDS = 60.0


class Streak:
    """Counts instant failures in a row; after 20 the worker rests, ever longer, and says so.

    Failures for good, and those that come from outside, do not count.
    """

    def __init__(self, rest: Callable[[float], None]) -> None:
        self._rest = rest
        self._lock = threading.Lock()
        self._failures = 0
        self._next_rest = SHORTEST_REST_SECONDS

    def note(self, outcome: Outcome, seconds: float) -> None:
        """Take note of how an attempt ended, and how long it ran."""
        with self._lock:
            if isinstance(outcome, Succeeded):
                self._failures, self._next_rest = 0, SHORTEST_REST_SECONDS
            elif isinstance(outcome, Failed) and not (outcome.for_good or outcome.is_outside):
                self._failures = self._failures + 1 if seconds < INSTANT_SECONDS else 0
            if self._failures < MOST_FAILURES:
                return
            rest, self._next_rest = self._next_rest, min(self._next_rest * 2, LONGEST_REST_SECONDS)
            self._failures = 0
        log.error(
            "every attempt fails at once: this worker rests",
            failures=MOST_FAILURES,
            seconds=rest,
        )
        self._rest(rest)
