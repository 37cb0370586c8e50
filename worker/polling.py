"""How long an idle worker waits before it asks again."""

import random
import time

SHORTEST_SECONDS = 0.008
LONGEST_SECONDS = 0.2


class Polling:
    """Quick right after a task came, slower the longer none does.

    The wait is a tenth of the idle time, from 8 to 200 ms, and jittered by half, so that many
    workers do not ask at once.
    """

    def __init__(self) -> None:
        self._busy_at = time.monotonic()

    def note_task(self) -> None:
        """Take note that there was something to do."""
        self._busy_at = time.monotonic()

    def next_wait(self) -> float:
        """Return the seconds to wait."""
        idle = time.monotonic() - self._busy_at
        wait = min(max(idle / 10, SHORTEST_SECONDS), LONGEST_SECONDS)
        return wait * random.uniform(0.5, 1.5)  # noqa: S311  # spreads load, hides nothing
