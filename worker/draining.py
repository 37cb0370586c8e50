"""The drain: how a worker ends, in time whatever hangs."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from schema.runtime.logging import get_logger
from schema.runtime.stopping import Stopping
from worker.attempt import ENDED, Attempt, Reason
from worker.claimer import Claimer
from worker.completer import Completer
from worker.deadline import Deadline
from worker.executors.executor import END_SECONDS
from worker.heart import Heart
from worker.keeping import TaskKeeper
from worker.running import Running

log = get_logger(__name__)

LOOK_SECONDS = 0.05

AFTER_GRACE_SECONDS = 3.5
"""What it may take, after the grace, to end handlers, write their ends and leave."""

RELEASE_SECONDS = 2 * END_SECONDS
"""Of that, what handlers have to clean up."""

LEAVE_SECONDS = 0.7
"""Of that, what is kept for leaving."""

CLOSE_SECONDS = 1.0
"""What each of the parts that write nothing more has to close."""

HANG_SECONDS = 1.0
"""How much later a worker that hangs in its drain is ended."""

SAY_SECONDS = 0.3
HANGS = "the worker hangs: it ends with all that it holds"
EXIT_CODE = 1

MOST_NAMED = 20

Close = Callable[[float], object]
"""Ends a part for good; takes the seconds that it has."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What is ended, and in which order."""

    claimer: Claimer
    running: Running
    keeper: TaskKeeper
    completer: Completer
    others: Sequence[Close]
    heart: Heart
    executors: Sequence[Close]
    """And what handlers may use as long as they run."""

    def is_idle(self) -> bool:
        """Whether the claimer has stopped, all handlers have ended, and all ends are written."""
        return not self.claimer.is_working() and not self.running.holds()


class Drain:
    """Claims nothing more, lets handlers end within the grace, and releases the rest."""

    def __init__(self, parts: Parts, stopping: Stopping, grace_seconds: float) -> None:
        self._parts = parts
        self._stopping = stopping
        self._grace_seconds = grace_seconds

    def run(self) -> bool:
        """Drain and return whether nothing is left for the reaper; what is left is logged."""
        parts = self._parts
        deadline = Deadline(self._grace_seconds + AFTER_GRACE_SECONDS)
        parts.claimer.stop()
        parts.heart.drain()
        self._let_end(deadline)
        self._release()
        parts.completer.close(deadline.left(keep=LEAVE_SECONDS))
        _close(parts.others, deadline, keep=LEAVE_SECONDS)
        has_left = parts.heart.stop(deadline.left())
        _close(parts.executors, deadline)
        return self._report(has_left=has_left)

    def _let_end(self, deadline: Deadline) -> None:
        while not self._parts.is_idle() and deadline.left(keep=AFTER_GRACE_SECONDS):
            if self._stopping.hurried.wait(LOOK_SECONDS):
                deadline.hasten(AFTER_GRACE_SECONDS)
                return

    def _release(self) -> None:
        """End what runs, also what is handed over only now, and give up what does not end."""
        running, keeper = self._parts.running, self._parts.keeper
        until = Deadline(RELEASE_SECONDS)
        while (attempts := running.attempts()) and until.left():
            keeper.end([each for each in attempts if each.reason is None], Reason.RELEASED)
            time.sleep(LOOK_SECONDS)
        if not attempts:
            return
        log.warning("handlers did not end", task_ids=_some_ids(attempts), count=len(attempts))
        for attempt in attempts:
            keeper.ended(attempt, ENDED)

    def _report(self, *, has_left: bool) -> bool:
        holds = self._parts.running.holds()
        claims = self._parts.claimer.is_working()
        if holds or claims:
            log.error(
                "the drain fell short",
                leases=len(holds),
                task_ids=sorted(task_id for task_id, _ in holds)[:MOST_NAMED],
                claim_under_way=claims,
                has_left=has_left,
            )
        return not holds and not claims


def end_what_hangs(stopping: Stopping, grace_seconds: float) -> None:
    """Have the process ended when it has not ended by itself in time after it was asked to."""

    def wait() -> None:
        stopping.asked.wait()
        stopping.hurried.wait(grace_seconds)
        time.sleep(AFTER_GRACE_SECONDS + HANG_SECONDS)
        # Whoever hangs may do so in the log.
        says = threading.Thread(target=log.error, args=(HANGS,), daemon=True)
        says.start()
        says.join(SAY_SECONDS)
        os._exit(EXIT_CODE)

    threading.Thread(target=wait, name="last resort", daemon=True).start()


def _close(parts: Iterable[Close], deadline: Deadline, *, keep: float = 0) -> None:
    for close in parts:
        close(min(deadline.left(keep=keep), CLOSE_SECONDS))


def _some_ids(attempts: Iterable[Attempt]) -> list[int]:
    return sorted(attempt.claimed.id for attempt in attempts)[:MOST_NAMED]
