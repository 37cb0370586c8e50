"""The vigil: notices what stands still in a worker that beats, and has the worker end.

Each of these has happened elsewhere without a line in the log: a thread that never wakes up, a
handler that cannot be ended in every slot. The platform starts the worker anew.
"""

from collections.abc import Sequence

from schema.runtime.logging import get_logger
from worker.attempt import Attempt
from worker.slots import Slots
from worker.threads import Failed

log = get_logger(__name__)

MOST_BEATS = 60
"""Counted in beats, which a process that was frozen does not have."""


class Vigil:
    """Looks on at each beat."""

    def __init__(self, slots: Slots, failed: Failed) -> None:
        self._slots = slots
        self._failed = failed
        self._overdue: dict[Attempt, int] = {}
        self._full = 0
        self._claiming = 0

    def look(self, attempts: Sequence[Attempt], now: float) -> None:
        """Look at what runs, `now` on the monotonic clock."""
        overdue = [attempt for attempt in attempts if attempt.deadline < now]
        self._overdue = {attempt: self._overdue.get(attempt, 0) + 1 for attempt in overdue}
        stuck = [attempt for attempt, beats in self._overdue.items() if beats == MOST_BEATS]
        if stuck:
            task_ids = [attempt.claimed.id for attempt in stuck]
            self._give_up("handlers were not ended at their deadline", task_ids=task_ids)
        self._full = 0 if attempts or self._slots.free else self._full + 1
        if self._full == MOST_BEATS:
            self._give_up("every slot is taken by a handler that cannot be ended")

    def look_at_claim(self, *, hangs: bool) -> None:
        """Look at a claim, which has been under way for a while or not."""
        self._claiming = self._claiming + 1 if hangs else 0
        if self._claiming == MOST_BEATS:
            self._give_up("a claim does not come to its end")

    def _give_up(self, why: str, **more: object) -> None:
        log.error("the worker stands still: it ends", reason=why, **more)
        self._failed()
