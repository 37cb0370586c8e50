"""Runs `async def` handlers in one event loop, in a thread of its own."""

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Sequence

from schema.attempts import Outcome
from worker.attempt import ENDED, Attempt, Reason
from worker.executors.executor import END_SECONDS, Keeper
from worker.executors.in_process import InProcessLink
from worker.performing import perform_coroutine
from worker.threads import Failed, watched

SHORTEST_WATCH_SECONDS = 0.01
"""How much later than its deadline an attempt may be ended, so that the timer does not ring for
each of thousands."""


def _word(attempt: Attempt) -> str | None:
    return attempt.reason and attempt.reason.name.lower()


class CoroutineExecutor:
    """An event loop; each attempt is a task of it, cancelled at its deadline.

    The CancelledError's argument is why: "deadline", "stopped", "released" or "lost".

    A coroutine that goes on although it was cancelled is given up after END_SECONDS: its slot
    stays taken until it ends.
    """

    def __init__(self, keeper: Keeper, failed: Failed) -> None:
        self._keeper = keeper
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._running: dict[Attempt, asyncio.Task[None]] = {}
        self._given_up: set[Attempt] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf
        self._thread = watched("coroutines", self._run_loop, failed)

    def start(self) -> None:
        """Start the loop."""
        self._thread.start()

    def submit(self, attempts: Sequence[Attempt]) -> None:
        """Run attempts in the loop."""
        self._loop.call_soon_threadsafe(self._start_all, attempts)

    def end(self, attempts: Sequence[Attempt]) -> None:
        """Cancel attempts."""
        self._loop.call_soon_threadsafe(self._cancel_all, attempts)

    def close(self, timeout: float) -> None:
        """Cancel what runs and close the loop."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(timeout)

    def on_loop(self) -> Attempt | None:
        """Return the attempt whose code runs at this moment; called from other threads."""
        task = asyncio.current_task(self._loop)
        for attempt, running in list(self._running.items()):
            if running is task:
                return attempt
        return None

    def oldest_deadline(self) -> float | None:
        """Return the first deadline of all that runs; called from other threads."""
        return min((attempt.deadline for attempt in list(self._running)), default=None)

    def ping(self, answered: threading.Event) -> None:
        """Set `answered` as soon as the loop has a moment."""
        self._loop.call_soon_threadsafe(answered.set)

    def _run_loop(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            while not self._closing.is_set():
                # sys.exit() in a task, loop.stop(), and cancelling all tasks there are end it.
                with contextlib.suppress(
                    SystemExit, KeyboardInterrupt, RuntimeError, asyncio.CancelledError
                ):
                    runner.run(self._closing.wait())

    def _start_all(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            self._running[attempt] = self._loop.create_task(self._run(attempt))
        self._watch(min([attempt.deadline for attempt in attempts]))

    def _cancel_all(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            if attempt in self._running:
                self._running[attempt].cancel(_word(attempt))
                self._loop.call_later(END_SECONDS, self._give_up, attempt)

    def _watch(self, deadline: float) -> None:
        """Have the one timer ring at a deadline, unless it rings before."""
        if deadline >= self._alarm_at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        seconds = max(deadline - time.monotonic(), SHORTEST_WATCH_SECONDS)
        self._alarm_at = deadline
        self._alarm = self._loop.call_later(seconds, self._end_overdue)

    def _end_overdue(self) -> None:
        self._alarm, self._alarm_at = None, math.inf
        now = time.monotonic()
        untold = [attempt for attempt in self._running if attempt.reason is None]
        overdue = [attempt for attempt in untold if attempt.deadline <= now]
        for attempt in overdue:
            attempt.reason = Reason.DEADLINE
        self._cancel_all(overdue)
        self._watch(
            min([each.deadline for each in untold if each.deadline > now], default=math.inf)
        )

    def _give_up(self, attempt: Attempt) -> None:
        if attempt in self._running and attempt not in self._given_up:
            self._given_up.add(attempt)
            self._keeper.ended(attempt, ENDED)

    async def _run(self, attempt: Attempt) -> None:
        link = InProcessLink(attempt, self._keeper)
        said: Outcome = ENDED
        with contextlib.suppress(asyncio.CancelledError):
            said = await perform_coroutine(attempt.handler, attempt.claimed, link)
        del self._running[attempt]
        if attempt in self._given_up:
            self._given_up.discard(attempt)
        else:
            self._keeper.ended(attempt, said)
        self._keeper.freed(attempt)
