"""Which queues a worker takes, and in which order: WORKER_QUEUES, or what it says over HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, field

ALL = "*"


class QueueChoiceError(ValueError):
    """WORKER_QUEUES cannot be used; the message says why."""


@dataclass(slots=True)
class QueueChoice:
    """WORKER_QUEUES, understood.

    Names are in the order of preference; `*` is all others, by turns; `-name` leaves one out.
    """

    named: tuple[str, ...]
    left_out: frozenset[str]
    all_others: bool
    _turn: int = field(default=0)

    @classmethod
    def parse(cls, text: str) -> "QueueChoice":
        """Return the choice in `text`, such as "mail,reports", "*" or "*,-slow".

        Raises QueueChoiceError when it chooses nothing.
        """
        words = [word.strip() for word in text.split(",") if word.strip()]
        left_out = frozenset(word[1:] for word in words if word.startswith("-"))
        named = tuple(word for word in words if word != ALL and not word.startswith("-"))
        all_others = ALL in words or not named
        if not words:
            raise QueueChoiceError("WORKER_QUEUES names no queue: leave it unset or * for all")
        return cls(named, left_out, all_others)

    def ordered(self, open_names: Sequence[str]) -> list[str]:
        """Return those of the open queues that this worker takes, in the order to look at them.

        Queues that only `*` chose come by turns: each call begins with the next one.
        """
        wanted = [name for name in self.named if name in open_names]
        if not self.all_others:
            return [name for name in wanted if name not in self.left_out]
        others = [name for name in open_names if name not in {*self.named, *self.left_out}]
        if others:
            self._turn = (self._turn + 1) % len(others)
        return wanted + others[self._turn :] + others[: self._turn]
