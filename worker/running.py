"""What this worker holds: attempts under way, and ends that are not written yet."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from schema.attempts import Hold, Settlement
from worker.attempt import Attempt


class Running:
    """A register that every thread of the worker may use.

    `claiming` is held from before a claim's COMMIT until its tasks are entered here: whoever
    compares the register with the database holds it too, so that it sees no claim half way.
    """

    def __init__(self) -> None:
        self.claiming = threading.Lock()
        self._lock = threading.Lock()
        self._attempts: dict[Hold, Attempt] = {}
        self._unsettled: set[Hold] = set()

    @contextmanager
    def between_claims(self, timeout: float) -> Iterator[bool]:
        """Hold up claims; False when one is under way for longer than `timeout` seconds."""
        held = self.claiming.acquire(timeout=timeout)
        try:
            yield held
        finally:
            if held:
                self.claiming.release()

    def enter(self, attempts: Iterable[Attempt]) -> None:
        """Take note of claimed tasks."""
        with self._lock:
            for attempt in attempts:
                self._attempts[attempt.hold] = attempt

    def end(self, attempt: Attempt, *, unsettled: bool) -> bool:
        """Take note that a handler ended, and whether its end is still to be written.

        False when that was known: each attempt ends once, whoever says so first.
        """
        hold = attempt.hold
        with self._lock:
            if self._attempts.pop(hold, None) is None:
                return False
            if unsettled:
                self._unsettled.add(hold)
            return True

    def settled(self, settlements: Iterable[Settlement]) -> None:
        """Take note that ends were written, or refused."""
        with self._lock:
            self._unsettled -= {(item.task_id, item.fence) for item in settlements}

    def attempts(self) -> list[Attempt]:
        """Return the attempts whose handlers run."""
        with self._lock:
            return list(self._attempts.values())

    def holds(self) -> set[Hold]:
        """Return all leases that this worker believes to hold."""
        with self._lock:
            return self._attempts.keys() | self._unsettled
