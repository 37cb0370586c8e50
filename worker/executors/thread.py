"""Runs `def` handlers in threads: for I/O libraries that cannot be async.

A thread cannot be killed. At the deadline the attempt is settled and `context.cancelled` is
set; the slot stays taken until the handler returns, and the fence refuses what it says then.
"""

import threading
import time
from collections.abc import Callable, Sequence

from worker.attempt import ENDED, Attempt, Reason
from worker.executors.executor import END_SECONDS, Keeper
from worker.executors.in_process import InProcessLink
from worker.performing import perform_function


class ThreadExecutor:
    """A thread for each attempt, and an alarm for its deadline."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._lock = threading.Lock()
        self._running: set[Attempt] = set()

    def start(self) -> None:
        """Nothing to make ready."""

    def submit(self, attempts: Sequence[Attempt]) -> None:
        """Run attempts, each in a thread of its own."""
        for attempt in attempts:
            with self._lock:
                self._running.add(attempt)
            name = f"task-{attempt.claimed.id}"
            threading.Thread(target=self._run, args=(attempt,), name=name, daemon=True).start()

    def end(self, attempts: Sequence[Attempt]) -> None:
        """Give handlers a moment to see `context.cancelled`, then give them up."""
        for attempt in attempts:
            _alarm(END_SECONDS, self._give_up, attempt)

    def close(self, timeout: float) -> None:
        """Nothing can be ended: the threads die with the process."""

    def _run(self, attempt: Attempt) -> None:
        seconds = max(attempt.deadline - time.monotonic(), 0)
        alarm = _alarm(seconds, self._time_out, attempt)
        link = InProcessLink(attempt, self._keeper)
        try:
            said = perform_function(attempt.handler, attempt.claimed, link)
            alarm.cancel()
            if self._take(attempt):
                self._keeper.ended(attempt, said)
        finally:
            self._keeper.freed(attempt)

    def _time_out(self, attempt: Attempt) -> None:
        if attempt.reason is None:
            attempt.reason = Reason.DEADLINE
        self._give_up(attempt)

    def _give_up(self, attempt: Attempt) -> None:
        if self._take(attempt):
            self._keeper.ended(attempt, ENDED)

    def _take(self, attempt: Attempt) -> bool:
        """Whether the caller is the one to say how the attempt ended."""
        with self._lock:
            if attempt not in self._running:
                return False
            self._running.remove(attempt)
            return True


def _alarm(seconds: float, call: Callable[[Attempt], None], attempt: Attempt) -> threading.Timer:
    timer = threading.Timer(seconds, call, (attempt,))
    timer.daemon = True
    timer.start()
    return timer
