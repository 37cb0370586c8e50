"""How a handler reaches the worker that runs it, wherever it runs."""

from concurrent.futures import Future
from typing import Protocol

from schema.attempts import Progress


class Link(Protocol):
    """What a Context stands on; each executor has its own."""

    @property
    def cancelled(self) -> bool:
        """Whether the handler was told to end."""

    def report(self, progress: Progress) -> None:
        """Hand over progress; never blocks."""

    def save(self, checkpoint: str) -> "Future[None]":
        """Save JSON text for the next attempt; fails with LeaseLost."""
