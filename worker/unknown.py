"""Types of task that this worker has no handler for, and how long their tasks are to wait."""

import time
from dataclasses import dataclass

from schema.runtime.logging import get_logger

log = get_logger(__name__)

FIRST_DELAY_SECONDS = 10.0
LONGEST_DELAY_SECONDS = 300.0
FORGET_SECONDS = 2 * LONGEST_DELAY_SECONDS
SAY_SECONDS = 60.0

MOST_TYPES = 1_000
"""How many are remembered: names come from clients."""


@dataclass(slots=True)
class _Unknown:
    since: float
    last: float
    said_at: float = float("-inf")
    untold: int = 0


class UnknownTypes:
    """Remembers them, so that a backlog of one is not claimed and given back all the time."""

    def __init__(self) -> None:
        self._types: dict[str, _Unknown] = {}

    def delay(self, task_type: str, task_id: int) -> float:
        """Return for how many seconds a task is given back, and warn once a minute.

        10 s at first, so that a worker that knows the type may take it; the longer the type
        stays unknown, the longer: the delay doubles up to 5 minutes. Round figures, so that tasks
        given back together are written together.
        """
        now = time.monotonic()
        known = self._types.get(task_type)
        if known is None or now - known.last > FORGET_SECONDS:
            if len(self._types) >= MOST_TYPES:
                self._types.clear()
            known = self._types[task_type] = _Unknown(now, now)
        known.last = now
        known.untold += 1
        if now - known.said_at >= SAY_SECONDS:
            log.warning(
                "unknown task type", task_type=task_type, task_id=task_id, given_back=known.untold
            )
            known.said_at, known.untold = now, 0
        return _doubled(now - known.since)


def _doubled(age: float) -> float:
    delay = FIRST_DELAY_SECONDS
    while 2 * delay <= age:
        delay *= 2
    return min(delay, LONGEST_DELAY_SECONDS)
