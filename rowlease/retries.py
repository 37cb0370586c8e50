"""Which errors pass by themselves, and how long to wait for it."""

import random

from rowlease.errors import ApiError, Conflict, ConnectionFailed, TooManyRequests, Unavailable

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 8.0
LONGEST_RETRY_AFTER_SECONDS = 60.0

PASSING = (Conflict, TooManyRequests, Unavailable)
"""What passes when the server says when: a Conflict, while the first try of a POST is under way."""


def pause_before_retry(error: ApiError | ConnectionFailed, tries: int) -> float | None:
    """Return the seconds to wait after so many tries; None: trying again does not help.

    Pauses double, and half of each is random, so that clients which failed together come back one
    by one. What a server asks for in Retry-After is waited in full, a random part on top of it.
    """
    backoff = min(FIRST_PAUSE_SECONDS * 2.0 ** (tries - 1), LONGEST_PAUSE_SECONDS)
    random_part = random.uniform(0, backoff / 2)  # noqa: S311  # no secret
    if isinstance(error, ConnectionFailed):
        return backoff / 2 + random_part
    asked = error.retry_after if isinstance(error, PASSING) else None
    if asked is None or asked > LONGEST_RETRY_AFTER_SECONDS:
        return None
    return asked + random_part
