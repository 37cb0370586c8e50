"""What every executor can do."""

from collections.abc import Callable, Sequence
from typing import Protocol

from schema.attempts import Outcome
from worker.performing import Job

Done = Callable[[Job, Outcome], None]
"""Called once for each job, from any thread, when its attempt has ended."""


class Executor(Protocol):
    """Runs handlers of one kind, each until its deadline."""

    def start(self) -> None:
        """Make ready; called once, before the first job."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Begin to run jobs. Never blocks; the caller keeps to its slots."""

    def release_all(self) -> None:
        """End what still runs, with the outcome Released."""

    def close(self) -> None:
        """End for good; what still runs is ended without an outcome."""
