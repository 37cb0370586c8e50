"""The last events of a topic, so that who was away or slow goes on where it was."""

import secrets
from collections import deque
from collections.abc import Sequence

from api.frames import numbered

MOST_ENTRIES = 256
MOST_BYTES = 1024 * 1024


class Journal:
    """Groups of events, numbered without gaps; the oldest are dropped, the newest never is.

    Ids are of this journal alone: with one of another process or filter nobody can go on here.
    """

    def __init__(self) -> None:
        self._name = secrets.token_hex(6)
        self._entries: deque[bytes] = deque()
        self._bytes = 0
        self.last = 0

    def add(self, events: Sequence[bytes]) -> None:
        """Take events that are told together."""
        self.last += 1
        entry = numbered(events, self.id_of(self.last))
        self._entries.append(entry)
        self._bytes += len(entry)
        while len(self._entries) > 1 and self._is_full():
            self._bytes -= len(self._entries.popleft())

    def has_after(self, number: int) -> bool:
        """Whether all that came after a number is still known."""
        return self.last - len(self._entries) <= number <= self.last

    def entry(self, number: int) -> bytes:
        """Return the events of a number."""
        return self._entries[number - self.last - 1]

    def id_of(self, number: int) -> str:
        """Return what clients call a number."""
        return f"{self._name}-{number}"

    def number_of(self, event_id: str | None) -> int | None:
        """Return the number that an id is; None when it is none of this journal."""
        name, _, number = (event_id or "").partition("-")
        is_ours = name == self._name and number.isascii() and number.isdigit()
        return int(number[:18]) if is_ours else None

    def _is_full(self) -> bool:
        return self._bytes > MOST_BYTES or len(self._entries) > MOST_ENTRIES
