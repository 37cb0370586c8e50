"""How a handler reaches the worker that runs it, wherever it runs."""

from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from schema.attempts import Progress


@dataclass(frozen=True, slots=True)
class Content:
    """What a handler wants to be kept as a file: bytes, or where they are."""

    source: bytes | Path
    name: str
    content_type: str


class Link(Protocol):
    """What a Context stands on; each executor has its own."""

    @property
    def cancelled(self) -> bool:
        """Whether the handler was told to end."""

    def report(self, progress: Progress) -> None:
        """Hand over progress; never blocks."""

    def save(self, checkpoint: str) -> "Future[None]":
        """Save JSON text for the next attempt; fails with LeaseLost."""

    def fetch(self, file_id: int) -> "Future[Path]":
        """Lay a file ready on this machine for the attempt; fails with FileMissing."""

    def keep(self, content: Content) -> "Future[int]":
        """Store a file for the task and return its number; fails with LeaseLost."""
