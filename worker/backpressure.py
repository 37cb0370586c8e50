"""Backpressure: while too many ends wait to be written, nothing more is claimed."""

import time
from collections.abc import Callable

from schema.runtime.logging import get_logger

log = get_logger(__name__)

LEAST_BACKLOG = 200
LOOK_SECONDS = 0.005
SAY_AFTER_SECONDS = 1.0
"""A backlog that goes away sooner is not worth a line in the log."""


class Backpressure:
    """Slots are free again before an end is written, so a slow database could fill the memory."""

    def __init__(self, backlog: Callable[[], int], slots: int) -> None:
        self._backlog = backlog
        self._most = max(2 * slots, LEAST_BACKLOG)
        self._since: float | None = None
        self._said = False

    def is_on(self) -> bool:
        """Whether to wait; asked again and again by the one that claims."""
        waiting = self._backlog()
        if waiting <= self._most:
            if self._said:
                log.info("claiming goes on", waiting=waiting)
            self._since, self._said = None, False
            return False
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if not self._said and now - self._since > SAY_AFTER_SECONDS:
            log.warning("claiming waits until ends are written", waiting=waiting)
            self._said = True
        return True
