"""What can be followed: the tasks that match a filter, or one task.

A topic is fed by one loop, in turn (api.hub): what it is told of a task is never older than what
it was told before.
"""

import asyncio
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import ClassVar

from sqlalchemy import Connection

from api import frames
from api.journal import Journal
from schema import listing
from schema.filters import TaskFilter
from schema.listing import Mark, TaskRow, mark_of

PAGE = 100
"""Tasks of a snapshot, the newest that match."""

MOST_KNOWN = 1_000
"""Tasks that a topic remembers, so that it can tell when they match no more."""

Snapshot = tuple[int, bytes]
"""The event that replaces what a follower knows, and the number of the last entry in it."""


class Topic:
    """The tasks that match a filter, and what its followers were told of them."""

    is_by_key: ClassVar[bool] = False
    """Whether what belongs here is known without asking the database."""

    def __init__(self, wanted: TaskFilter) -> None:
        self.followers = 0
        self.journal = Journal()
        self.told = asyncio.Event()
        """Set when something is told; then there is another one."""
        self._wanted = wanted
        self._known: dict[int, Mark] = {}
        self._is_read = False
        self.is_resumable = False
        """Whether somebody was given a snapshot, and may come back."""
        self._asked: list[asyncio.Future[Snapshot | None]] = []
        self._answering: list[asyncio.Future[Snapshot | None]] = []

    async def snapshot(self) -> Snapshot | None:
        """Return how things stand, read from now on; None: it could not be, or this is the end."""
        future: asyncio.Future[Snapshot | None] = asyncio.get_running_loop().create_future()
        self._asked.append(future)
        return await future

    def begin(self) -> bool:
        """Begin to look; whether somebody waits for a snapshot."""
        self._answering += self._asked
        self._asked = []
        return bool(self._answering)

    def mark(self, task_id: int) -> Mark | None:
        """Return which state of a task was told last, None when it is not known."""
        return self._known.get(task_id)

    def watched(self) -> AbstractSet[int]:
        """Return the tasks to be looked at even if nobody says that they changed."""
        return self._known.keys()

    def concerned(self, changed: AbstractSet[int]) -> AbstractSet[int]:
        """Return those of changed tasks that may matter here."""
        return changed

    def read(
        self, connection: Connection, task_ids: AbstractSet[int], *, with_page: bool
    ) -> tuple[AbstractSet[int], Sequence[TaskRow]]:
        """Return those of tasks that are there that belong here, then the newest that do."""
        matching = set(listing.still_matching(connection, self._wanted, sorted(task_ids)))
        page = listing.page(connection, self._wanted, limit=PAGE).tasks if with_page else ()
        return matching, page

    def take(
        self,
        looked_at: AbstractSet[int],
        matching: AbstractSet[int],
        rows: Mapping[int, TaskRow],
        page: Sequence[TaskRow] = (),
    ) -> None:
        """Tell how tasks are, where followers know otherwise, and give the snapshot if asked.

        `rows` are those of the tasks that are new here; `page` was read after them.
        """
        events = []
        for task_id in sorted(looked_at):
            if task_id not in matching:
                events += self._left(task_id)
            elif task_id in rows:
                events += self._came(rows[task_id])
        for row in reversed(page):
            events += self._came(row)
        while len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
        is_first, self._is_read = not self._is_read, True
        if events and not is_first:  # else nobody knows anything that this would change
            self.journal.add(events)
        if events or is_first:
            self.wake()
        self._answer(self._newest(page))

    def disappoint(self) -> None:
        """Tell those who wait that there is nothing to give."""
        self.begin()
        self._give(None)

    def wake(self) -> None:
        """Let followers look up."""
        self.told.set()
        self.told = asyncio.Event()

    def _newest(self, page: Sequence[TaskRow]) -> Sequence[TaskRow]:
        return page

    def _answer(self, page: Sequence[TaskRow]) -> None:
        if self._answering:
            last = self.journal.last
            event = frames.numbered([frames.snapshot(page)], self.journal.id_of(last))
            self._give((last, event))
            self.is_resumable = True

    def _give(self, snapshot: Snapshot | None) -> None:
        for future in self._answering:
            if not future.done():  # who asked may have left
                future.set_result(snapshot)
        self._answering = []

    def _left(self, task_id: int) -> list[bytes]:
        return [] if self._known.pop(task_id, None) is None else [frames.gone(task_id)]

    def _came(self, row: TaskRow) -> list[bytes]:
        mark = mark_of(row)
        if self._known.pop(row["id"], None) == mark:
            self._known[row["id"]] = mark
            return []
        self._known[row["id"]] = mark
        return [frames.task(row)]


class TaskTopic(Topic):
    """One task; `latest` is how it was read last, None when it was not there."""

    is_by_key = True

    def __init__(self, task_id: int) -> None:
        super().__init__(TaskFilter())
        self._task_id = task_id
        self.latest: TaskRow | None = None

    def watched(self) -> AbstractSet[int]:
        """Return it, known or not."""
        return {self._task_id}

    def concerned(self, changed: AbstractSet[int]) -> AbstractSet[int]:
        """Return it, if it is among them."""
        return changed & {self._task_id}

    def take(
        self,
        looked_at: AbstractSet[int],
        matching: AbstractSet[int],
        rows: Mapping[int, TaskRow],
        page: Sequence[TaskRow] = (),
    ) -> None:
        """Remember the task too."""
        if self._task_id in rows:
            self.latest = rows[self._task_id]
        elif self._task_id in looked_at - matching:
            self.latest = None
        super().take(looked_at, matching, rows, page)

    def _newest(self, page: Sequence[TaskRow]) -> Sequence[TaskRow]:
        return page if self.latest is None else [self.latest]
