"""Slots: how many tasks a worker process runs at once."""

import threading
import time

GATHER_SECONDS = 0.005
"""How long at most the claimer waits for more slots than one."""

PAUSE_SECONDS = 0.001
"""When no slot comes free for so long, no more are waited for."""


class Slots:
    """Counts free slots; the claimer waits for them, executors give them back."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._changed = threading.Condition()

    def wait_for_free(self, timeout: float) -> int:
        """Return how many are free, waiting up to `timeout` seconds for the first.

        While they come free one right after the other it waits on, up to half of them: a claim
        for each would cost as much as one for all.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0, timeout)
            deadline = time.monotonic() + GATHER_SECONDS
            while 0 < self._free < self.total // 2 and time.monotonic() < deadline:
                if not self._changed.wait(PAUSE_SECONDS):
                    break
            return self._free

    @property
    def free(self) -> int:
        """How many are free at this moment."""
        return self._free

    def take(self, count: int) -> None:
        """Take `count` slots, which must be free: one thread takes."""
        with self._changed:
            self._free -= count

    def give_back(self, count: int = 1) -> None:
        """Free `count` slots."""
        with self._changed:
            self._free += count
            self._changed.notify_all()
