"""Counting: keeps `queue_counts`, with at most a twentieth of its time."""

import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine

from schema import counts, queues
from schema.runtime.logging import get_logger
from schema.runtime.transactions import run

log = get_logger(__name__)

SHORTEST_REST_SECONDS = 2.0
REST = 19
"""How many times as long as a count took the next one is put off."""

REST_FROM_EXACT = 99
"""The same for exact counts, beside which quick ones go on."""

REST_FROM_FAILURE_SECONDS = 600.0
"""How long no exact count is tried again that has not come to its end."""


class Counting:
    """A chore with a memory of what its last counts cost.

    Several reapers take turns: who finds fresh counts, or another one counting, lets it be.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._rest = SHORTEST_REST_SECONDS
        self._rest_until = self._exact_again = clock()

    def __call__(self) -> None:
        """Count if it is time to; what is small is always counted exactly."""
        began = self._clock()
        if began < self._rest_until:
            return
        exactly = began >= self._exact_again
        if exactly:
            self._exact_again = began + REST_FROM_FAILURE_SECONDS
        if not run(self._engine, lambda connection: self._count(connection, exactly=exactly)):
            if exactly:
                self._exact_again = began
            return
        now = self._clock()
        self._rest = max(REST * (now - began), SHORTEST_REST_SECONDS)
        self._rest_until = now + self._rest
        if exactly:
            self._exact_again = now + REST_FROM_EXACT * (now - began)

    def _count(self, connection: Connection, *, exactly: bool) -> bool:
        age = counts.age_seconds(connection)
        if (age is not None and 0 <= age < self._rest) or not counts.take_turn(connection):
            return False
        counts.count(connection, exactly=exactly)
        if adopted := queues.adopt(connection):
            log.info("queues came to be with their tasks", queues=adopted)
        return True
