"""Runs `def` handlers in threads: for I/O libraries that cannot be async.

A thread cannot be killed. At the deadline the attempt is settled and `context.cancelled` is
set; the slot stays taken until the handler returns, and the fence refuses what it says then.
"""

import threading
import time
from collections.abc import Sequence

from schema.runtime.logging import get_logger
from worker.attempt import ENDED, Attempt, Reason
from worker.executors.executor import END_SECONDS, Keeper, not_run
from worker.executors.in_process import InProcessLink
from worker.performing import perform_function
from worker.threads import Failed, watched

log = get_logger(__name__)


class ThreadExecutor:
    """A thread for each attempt, and one that gives up those whose time is over."""

    def __init__(self, keeper: Keeper, failed: Failed) -> None:
        self._keeper = keeper
        self._changed = threading.Condition()
        self._give_up_at: dict[Attempt, float] = {}
        self._closing = False
        self._alarm = watched("thread deadlines", self._give_up_overdue, failed)

    def start(self) -> None:
        """Begin to watch deadlines."""
        self._alarm.start()

    def submit(self, attempts: Sequence[Attempt]) -> None:
        """Run attempts, each in a thread of its own."""
        with self._changed:
            self._give_up_at |= {attempt: attempt.deadline for attempt in attempts}
            self._changed.notify()
        for attempt in attempts:
            self._start(attempt)

    def end(self, attempts: Sequence[Attempt]) -> None:
        """Give handlers a moment to see `context.cancelled`, then give them up."""
        soon = time.monotonic() + END_SECONDS
        with self._changed:
            for attempt in attempts:
                if attempt in self._give_up_at:
                    self._give_up_at[attempt] = min(soon, self._give_up_at[attempt])
            self._changed.notify()

    def close(self, timeout: float) -> None:
        """Give up nobody more; handlers cannot be ended: their threads die with the process."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._alarm.join(timeout)

    def _start(self, attempt: Attempt) -> None:
        name = f"task-{attempt.claimed.id}"
        try:
            threading.Thread(target=self._run, args=(attempt,), name=name, daemon=True).start()
        except RuntimeError as error:  # the system has no more threads
            log.warning("no thread could be had", task_id=attempt.claimed.id, error=str(error))
            if self._take(attempt):
                self._keeper.ended(attempt, not_run(f"no thread could be had: {error}"))
            self._keeper.freed(attempt)

    def _run(self, attempt: Attempt) -> None:
        link = InProcessLink(attempt, self._keeper)
        try:
            said = perform_function(attempt.handler, attempt.claimed, link)
            if self._take(attempt):
                self._keeper.ended(attempt, said)
        finally:
            self._keeper.freed(attempt)

    def _give_up_overdue(self) -> None:
        while not self._closing:
            for attempt in self._overdue():
                attempt.reason = attempt.reason or Reason.DEADLINE
                self._keeper.ended(attempt, ENDED)

    def _overdue(self) -> list[Attempt]:
        """Wait until something changes or is overdue; return, and forget, what is overdue."""
        with self._changed:
            first = min(self._give_up_at.values(), default=None)
            if first is None or first > time.monotonic():
                self._changed.wait(first and max(first - time.monotonic(), 0))
            now = time.monotonic()
            overdue = [attempt for attempt, at in self._give_up_at.items() if at <= now]
            for attempt in overdue:
                del self._give_up_at[attempt]
            return overdue

    def _take(self, attempt: Attempt) -> bool:
        """Whether the caller is the one to say how the attempt ended."""
        with self._changed:
            return self._give_up_at.pop(attempt, None) is not None
