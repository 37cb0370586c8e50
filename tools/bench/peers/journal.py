"""What a worker noted about the tasks that it carried out."""

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

RECORD = struct.Struct("<qq")
"""A task's number, and when it was carried out in nanoseconds; `apps.ground` writes the same."""

LEAST_SHARE = 0.25
"""Of the tasks, that must be carried out after all workers are under way."""


class Journal:
    """A file of records, which a worker and its children append to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def count(self) -> int:
        """Return how many tasks were carried out so far."""
        return self.path.stat().st_size // RECORD.size if self.path.exists() else 0

    def records(self) -> list[tuple[int, int]]:
        """Return the number and the moment of each."""
        if not self.path.exists():
            return []
        content = self.path.read_bytes()
        whole = len(content) - len(content) % RECORD.size
        return [(number, moment) for number, moment in RECORD.iter_unpack(content[:whole])]


def count(journals: Iterable[Journal]) -> int:
    """Return how many tasks were carried out so far, by all workers."""
    return sum(journal.count() for journal in journals)


def per_second(journals: Sequence[Journal]) -> float:
    """Return tasks per second from when all workers are under way to the last task.

    Who starts later than the others would otherwise be counted as slow. Returns 0 when that left
    too little to tell.
    """
    moments = [[moment for _, moment in journal.records()] for journal in journals]
    if not all(moments):
        return 0
    first = max(min(each) for each in moments)
    within = [moment for each in moments for moment in each if moment >= first]
    if len(within) < LEAST_SHARE * sum(map(len, moments)):
        return 0
    seconds = (max(within) - first) / 1e9
    return (len(within) - 1) / seconds if seconds else 0


def times_by_number(journals: Iterable[Journal]) -> Counter[int]:
    """Return how often each task was carried out."""
    return Counter(number for journal in journals for number, _ in journal.records())


def moments_by_number(journals: Iterable[Journal]) -> dict[int, int]:
    """Return when each task was carried out for the first time."""
    moments: dict[int, int] = {}
    for journal in journals:
        for number, moment in journal.records():
            moments[number] = min(moment, moments.get(number, moment))
    return moments
