"""What every executor can do, and what it tells the worker."""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from schema.attempts import Failure, Hold, Outcome, Released
from worker.attempt import Attempt
from worker.link import Content

END_SECONDS = 1.0
"""How long a handler that is told to end may take to clean up."""


NOT_RUN_SECONDS = 1.0
"""How long a task waits that could not be run for want of a thread or a process."""


def not_run(why: str) -> Released:
    """Return the end of an attempt that was not begun: given back for a moment, uncounted."""
    return Released(NOT_RUN_SECONDS, Failure("NotRun", why))


class Keeper(Protocol):
    """The worker, as its executors see it. May be called from any thread."""

    def ended(self, attempt: Attempt, said: Outcome) -> None:
        """Take note that a handler ended, or is given up; once for each attempt."""

    def freed(self, attempt: Attempt) -> None:
        """Take the slot back; once for each attempt, with `ended` or after it."""

    def save(self, hold: Hold, checkpoint: str) -> "Future[None]":
        """Save a checkpoint; the future fails with LeaseLost."""

    def fetch(self, hold: Hold, file_id: int) -> "Future[Path]":
        """Lay a file ready for an attempt, until it is `freed`; fails with FileMissing."""

    def keep(self, hold: Hold, content: Content) -> "Future[int]":
        """Store a file and have the task refer to it; fails with LeaseLost."""


class Executor(Protocol):
    """Runs handlers of one kind, each until its deadline."""

    def start(self) -> None:
        """Make ready; called once, before the first attempt."""

    def submit(self, attempts: Sequence[Attempt]) -> None:
        """Begin to run. Never blocks; the caller keeps to its slots."""

    def end(self, attempts: Sequence[Attempt]) -> None:
        """Tell handlers to end; each attempt has its `reason`. What ended already is left."""

    def close(self, timeout: float) -> None:
        """End for good, in `timeout` seconds if it can; what still runs ends without a word."""
