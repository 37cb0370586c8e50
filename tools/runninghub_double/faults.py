"""Misbehaviour on demand."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

How = Literal["code", "text_code", "status", "garbage", "hold", "cut", "null"]
"""What is done instead of answering: another code, as a number or as text; an HTTP status; HTML;
the answer held back; the connection cut in the middle of it; code 0 without data."""


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next `times` calls of a kind.

    `done`: the call is carried out before. `value` is the code or the HTTP status.
    """

    call: str
    how: How
    value: int = 0
    times: int = 1
    done: bool = False


@dataclass(slots=True)
class Faults:
    """What is to go wrong, and what is held back."""

    waiting: list[Fault] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, call: str) -> Fault | None:
        """Return what is to go wrong with this call."""
        for fault in self.waiting:
            if fault.call == call:
                fault.times -= 1
                if not fault.times:
                    self.waiting.remove(fault)
                return fault
        return None

    async def hold(self, call: str) -> None:
        """Wait until what is held back is freed."""
        freed = self._freed
        self.held[call] += 1
        try:
            await freed.wait()
        finally:
            self.held[call] -= 1

    def free(self) -> None:
        """Let everything go on that is held back."""
        self._freed.set()
        self._freed = asyncio.Event()
