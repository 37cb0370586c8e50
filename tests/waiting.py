"""Waiting for what another process does: a condition and a deadline, never a guess."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_SECONDS = 20.0


def wait_for(look: Callable[[], T], *, seconds: float = DEADLINE_SECONDS) -> T:
    """Look until what is seen is true and return it; fail when the deadline is over."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s; last seen: {seen!r}")
        time.sleep(0.01)
    return seen
