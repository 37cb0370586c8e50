"""Slots: how many tasks a worker process runs at once."""

import threading


class Slots:
    """Counts free slots; the claimer waits for them, executors give them back."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._changed = threading.Condition()

    def wait_for_free(self, timeout: float) -> int:
        """Return how many are free, waiting up to `timeout` seconds for the first."""
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0, timeout)
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

    def wait_until_all_free(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until nothing runs; whether that came to be."""
        with self._changed:
            return self._changed.wait_for(lambda: self._free == self.total, timeout)
