"""What the worker and its children say to each other."""

from dataclasses import dataclass

from schema.attempts import Claimed, Hold, Outcome, Progress


@dataclass(frozen=True, slots=True)
class Save:
    """Save this checkpoint: the child waits for the answer to this `number`."""

    number: int
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Saved:
    """To a child: the checkpoint is committed, the lease is lost, or it failed with `error`."""

    number: int
    is_lost: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """From a child, of one attempt. An outcome ends that: the child is ready for the next one."""

    hold: Hold
    what: Outcome | Save | Progress


ToChild = Claimed | Saved
