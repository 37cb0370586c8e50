"""One log line for each attempt; successes are sampled when there are very many.

A failure after which the task is not retried is a warning.
"""

import threading
import time

from schema.attempts import Failed, Outcome, Succeeded
from schema.endings import is_last, outcome_word
from schema.runtime.logging import get_logger
from schema.states import AttemptOutcome
from worker.attempt import Attempt

log = get_logger("worker.attempt")

SUCCESSES_PER_SECOND = 100


class Narrator:
    """Says how attempts ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._second = 0
        self._said = 0
        self._left_out = 0

    def tell(self, attempt: Attempt, outcome: Outcome, seconds: float) -> None:
        """Write the line of an attempt that ran for `seconds`."""
        more: dict[str, object] = {}
        is_bad = False
        if isinstance(outcome, Succeeded):
            if not self._may_tell():
                return
            left_out, self._left_out = self._left_out, 0
            more = {"left_out": left_out} if left_out else {}
        elif isinstance(outcome, Failed):
            more = {
                "error_class": outcome.failure.error_class,
                "error": outcome.failure.message[:300],
            }
            is_stopped = outcome.outcome == AttemptOutcome.CANCELLED
            is_bad = not is_stopped and is_last(attempt.claimed, outcome)
        task = attempt.claimed
        say = log.warning if is_bad else log.info
        say(
            "attempt ended",
            task_id=task.id,
            task_type=task.task_type,
            queue=task.queue,
            attempt=task.attempt,
            fence=task.fence,
            outcome=str(outcome_word(outcome)),
            seconds=round(seconds, 3),
            **more,
        )

    def _may_tell(self) -> bool:
        with self._lock:
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._said = second, 0
            self._said += 1
            if self._said > SUCCESSES_PER_SECOND:
                self._left_out += 1
                return False
            return True
