"""The double's own clock: it runs, or stands until somebody moves it."""

import time


class Clock:
    """Seconds since the start of the double, and what was added."""

    def __init__(self, *, runs: bool) -> None:
        self._runs = runs
        self._started_at = time.monotonic()
        self._added = 0.0

    def now(self) -> float:
        """Return the seconds."""
        return self._added + (time.monotonic() - self._started_at if self._runs else 0.0)

    def advance(self, seconds: float) -> None:
        """Move on at once."""
        self._added += seconds
