"""One clock for several steps, each of which takes what those before it left."""

import time


class Deadline:
    """A moment on the monotonic clock, `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self, *, keep: float = 0) -> float:
        """Return the seconds that are left, less those to `keep` for later steps; 0 or more."""
        return max(self._at - keep - time.monotonic(), 0)

    def hasten(self, seconds: float) -> None:
        """Bring it forward: `seconds` from now, unless that is later."""
        self._at = min(self._at, time.monotonic() + seconds)
