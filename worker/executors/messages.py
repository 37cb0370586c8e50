"""What the worker and its children say to each other, pickled, over a pipe."""

from dataclasses import dataclass

from schema.attempts import Claimed, Outcome, Progress


@dataclass(frozen=True, slots=True)
class Save:
    """From a child: save this checkpoint. It waits for the answer."""

    checkpoint: str


@dataclass(frozen=True, slots=True)
class Saved:
    """To a child: the checkpoint is committed, the lease is lost, or it failed with `error`."""

    is_lost: bool = False
    error: str | None = None


FromChild = Outcome | Save | Progress
"""An outcome ends the attempt; the child is ready for the next one."""

ToChild = Claimed | Saved
