"""Who follows what in this process, and what changed: read once for all of them.

Change notices say which tasks to look at. What no notice tells of is polled: first pages, and
known tasks by their keys. One loop looks, one look after the other, so that nobody is told of an
older state after a newer one. Nobody who follows holds a connection to the database.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

import orjson
from sqlalchemy import Connection

from api.database import Database
from api.problems import Problem
from api.topics import Snapshot, TaskTopic, Topic
from schema import listing
from schema.filters import TaskFilter
from schema.listing import Mark, TaskRow
from schema.runtime.logging import get_logger
from schema.runtime.metrics import STREAMS

log = get_logger(__name__)

T = TypeVar("T", bound=Topic)

POLL_SECONDS = 0.9
"""How often is polled: each change is told within a second."""

GATHER_SECONDS = 0.1
"""The least time from one look to the next."""

MOST_NEWS = 500
"""Changes to be looked at between two polls; when there are more, the poll has to do."""

LINGER_SECONDS = 10.0
"""How long a topic waits for followers to come back: longer than they are told to stay away."""

MOST_LINGERING = 50
READ_AT_ONCE = 500
FULL_SECONDS = "5"


class Hub:
    """Looks at what changed, and tells those who follow; at most so many at a time."""

    def __init__(self, database: Database, most_followers: int) -> None:
        self._database = database
        self._most_followers = most_followers
        self._followers = 0
        self._topics: dict[Hashable, Topic] = {}
        self._left: dict[Hashable, float] = {}
        self._changed: set[int] = set()
        self._polled_at = 0.0
        self._wake = asyncio.Event()
        self.is_closing = False

    def hear(self, task_ids: Iterable[int]) -> None:
        """Take the ids of tasks that changed."""
        if self._topics:
            self._changed.update(task_ids)
            self._wake.set()

    def close(self) -> None:
        """Let all who follow come to an end at once."""
        self.is_closing = True
        for topic in self._topics.values():
            topic.disappoint()
            topic.wake()

    def require_room(self) -> None:
        """Raise Problem (503) when as many follow as may."""
        if self._followers >= self._most_followers:
            values = {"limit": self._most_followers}
            headers = {"retry-after": FULL_SECONDS}
            raise Problem(503, "streams_full", values=values, headers=headers)

    @contextmanager
    def following(self, wanted: TaskFilter) -> Iterator[Topic]:
        """Have the tasks that match a filter looked at until the block ends."""
        key = orjson.dumps(wanted.words(), option=orjson.OPT_SORT_KEYS)
        with self._followed(key, lambda: Topic(wanted)) as topic:
            yield topic

    @contextmanager
    def following_task(self, task_id: int) -> Iterator[TaskTopic]:
        """Have one task looked at until the block ends."""
        with self._followed(task_id, lambda: TaskTopic(task_id)) as topic:
            yield topic

    async def snapshot(self, topic: Topic) -> Snapshot | None:
        """Return how things stand, read from now on; None: it could not be, or this is the end."""
        self._wake.set()
        return await topic.snapshot()

    async def run(self) -> None:
        """Look whenever something changed, or might have, until cancelled."""
        while True:
            await self._sleep()
            began = time.monotonic()
            try:
                await self._round()
            except Exception as error:
                if not isinstance(error, Problem):  # that is a database that is away
                    log.exception("changes were not told")
                self._polled_at = 0.0
                for topic in self._topics.values():
                    topic.disappoint()
                await asyncio.sleep(POLL_SECONDS)
            await asyncio.sleep(max(GATHER_SECONDS, time.monotonic() - began))

    @contextmanager
    def _followed(self, key: Hashable, make: Callable[[], T]) -> Iterator[T]:
        topic: T = self._topics.get(key) or make()  # type: ignore[assignment]  # by its key
        self._topics[key] = topic
        self._left.pop(key, None)
        topic.followers += 1
        self._followers += 1
        STREAMS.inc()
        self._wake.set()
        try:
            yield topic
        finally:
            self._followers -= 1
            STREAMS.dec()
            topic.followers -= 1
            if not topic.followers:
                self._left[key] = time.monotonic()
                self._tidy()

    def _tidy(self) -> None:
        """Forget topics that nobody comes back to."""
        now = time.monotonic()
        for key, left_at in list(self._left.items()):
            is_useless = not self._topics[key].is_resumable
            too_many = len(self._left) > MOST_LINGERING
            if is_useless or too_many or now - left_at > LINGER_SECONDS:
                del self._left[key], self._topics[key]

    async def _sleep(self) -> None:
        due = self._polled_at + POLL_SECONDS - time.monotonic() if self._topics else None
        with suppress(TimeoutError):
            async with asyncio.timeout(due):
                await self._wake.wait()
        self._wake.clear()

    async def _round(self) -> None:
        self._tidy()
        changed, self._changed = self._changed, set()
        if len(changed) > MOST_NEWS:
            changed = set()
        is_poll = time.monotonic() - self._polled_at >= POLL_SECONDS
        if is_poll:
            self._polled_at = time.monotonic()
        looks: dict[Topic, AbstractSet[int]] = {}
        paged: set[Topic] = set()
        for topic in self._topics.values():
            own = topic.concerned(changed)
            if topic.begin() or is_poll:
                paged.add(topic)
                own = own | topic.watched()
            if own or topic in paged:
                looks[topic] = own
        await self._look(looks, paged)

    async def _look(
        self, looks: Mapping[Topic, AbstractSet[int]], paged: AbstractSet[Topic]
    ) -> None:
        marks, rows = await self._read(looks)
        for topic, own in looks.items():
            matching: AbstractSet[int] = own & marks.keys()
            page: Sequence[TaskRow] = ()
            if not topic.is_by_key:
                ask = partial(topic.read, task_ids=matching, with_page=topic in paged)
                matching, page = await self._database.read(ask)
            topic.take(own, matching, rows, page)

    async def _read(
        self, looks: Mapping[Topic, AbstractSet[int]]
    ) -> tuple[dict[int, Mark], dict[int, TaskRow]]:
        """Read which tasks are there, and those that some topic does not know as they are."""
        ids = sorted(set().union(*looks.values()))

        def work(connection: Connection) -> tuple[dict[int, Mark], dict[int, TaskRow]]:
            marks: dict[int, Mark] = {}
            for some in _portions(ids):
                marks |= listing.marks(connection, some)
            news = {
                task_id
                for topic, own in looks.items()
                for task_id in own & marks.keys()
                if topic.mark(task_id) != marks[task_id]
            }
            rows: dict[int, TaskRow] = {}
            for some in _portions(sorted(news)):
                rows |= {row["id"]: row for row in listing.find_all(connection, some)}
            return marks, rows

        return await self._database.read(work) if ids else ({}, {})


def _portions(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + READ_AT_ONCE] for start in range(0, len(ids), READ_AT_ONCE))
