"""The link of handlers that run in the worker's own process."""

from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from schema.attempts import Progress
from worker.attempt import Attempt
from worker.executors.executor import Keeper
from worker.link import Content


@dataclass(slots=True, eq=False)
class InProcessLink:
    """Reaches the worker by plain calls."""

    attempt: Attempt
    keeper: Keeper

    @property
    def cancelled(self) -> bool:
        """Whether the handler was told to end."""
        return self.attempt.reason is not None

    def report(self, progress: Progress) -> None:
        """Leave progress where the heart finds it."""
        self.attempt.progress = progress

    def save(self, checkpoint: str) -> "Future[None]":
        """Save JSON text for the next attempt."""
        return self.keeper.save(self.attempt.hold, checkpoint)

    def fetch(self, file_id: int) -> "Future[Path]":
        """Lay a file ready."""
        return self.keeper.fetch(self.attempt.hold, file_id)

    def keep(self, content: Content) -> "Future[int]":
        """Store a file."""
        return self.keeper.keep(self.attempt.hold, content)
