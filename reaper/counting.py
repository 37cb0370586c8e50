"""Counting: keeps `queue_counts`, with at most a twentieth of its time."""

import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine

from schema import counts, queues
from schema.runtime.logging import get_logger
from schema.runtime.transactions import transaction

log = get_logger(__name__)

SHORTEST_REST_SECONDS = 2.0
REST = 19
"""How many times as long as a count took the next one is put off."""

REST_FROM_EXACT = 99
"""The same for exact counts, beside which quick ones go on."""

REST_FROM_FAILURE_SECONDS = 600.0
"""How long no exact count is tried again that has not come to its end."""

LONGEST_QUICK_SECONDS = 1.0
"""Where a quick count takes longer, an exact one would take too long, and read too much."""


class Counting:
    """A chore with a memory of what its last counts cost.

    Several reapers take turns: who finds fresh counts, or another one counting, lets it be.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._rest = SHORTEST_REST_SECONDS
        self._rest_until = 0.0
        self._quick_seconds: float | None = None
        self._exact_again = 0.0

    def __call__(self) -> None:
        """Count if it is time to, and rest as long as that asks for, even if it failed."""
        began = self._clock()
        if began < self._rest_until:
            return
        with transaction(self._engine) as connection:
            if not self._has_turn(connection):
                return
            try:
                self._count(connection)
            finally:
                now = self._clock()
                self._rest = max(REST * (now - began), SHORTEST_REST_SECONDS)
                self._rest_until = now + self._rest

    def _has_turn(self, connection: Connection) -> bool:
        age = counts.age_seconds(connection)
        return not (age is not None and 0 <= age < self._rest) and counts.take_turn(connection)

    def _count(self, connection: Connection) -> None:
        """Count; exactly if that is cheap or has not been done for long, but never at first."""
        began = self._clock()
        is_affordable = self._quick_seconds is not None and (
            self._quick_seconds < LONGEST_QUICK_SECONDS
        )
        exactly = is_affordable and began >= self._exact_again
        if exactly:
            self._exact_again = began + REST_FROM_FAILURE_SECONDS
        counts.count(connection, exactly=exactly)
        seconds = self._clock() - began
        if exactly:
            self._exact_again = began + seconds * (1 + REST_FROM_EXACT)
        else:
            self._quick_seconds = seconds
        if adopted := queues.adopt(connection):
            log.info("queues came to be with their tasks", queues=adopted)
