"""What the worker and its children say to each other."""

from dataclasses import dataclass
from typing import Any

from schema.attempts import Claimed, Hold, Outcome, Progress
from worker.link import Content
from worker.signals import FileMissing, LeaseLost


@dataclass(frozen=True, slots=True)
class Save:
    """Save this checkpoint."""

    checkpoint: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Lay this file ready."""

    file_id: int


@dataclass(frozen=True, slots=True)
class Keep:
    """Store this file."""

    content: Content


Wish = Save | Fetch | Keep


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that the child waits for: the answer to this `number`."""

    number: int
    wish: Wish


@dataclass(frozen=True, slots=True)
class Answer:
    """To a child: what came of its wish, or why it failed."""

    number: int
    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """From a child, of one attempt. An outcome ends that: the child is ready for the next one."""

    hold: Hold
    what: Outcome | Asked | Progress


ToChild = Claimed | Answer


def portable(error: BaseException | None) -> Exception | None:
    """Return an error as a child can be told of it: of those of libraries, the words alone."""
    if error is None or isinstance(error, LeaseLost | FileMissing):
        return error
    return RuntimeError(str(error))
