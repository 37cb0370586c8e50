"""What the hub looks at, and what it tells: in one process, on a real database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine

from api import hub as hubs
from api import journal, streams
from api.access import Access
from api.channels import open_channels
from api.database import open_database
from api.hub import Hub
from api.journal import Journal
from api.topics import MOST_KNOWN, Topic
from schema.filters import TaskFilter
from schema.reserved import CALLBACK_QUEUE
from schema.runtime.settings import Settings
from tests.cache_server import connect
from tests.rows import change, claim, make, remove, succeed
from tools.servers import Redis

ALL = TaskFilter()


@asynccontextmanager
async def opened(url: str, redis: Redis | None = None) -> AsyncIterator[Hub]:
    chosen = Settings(database_url=url, redis_url=None if redis is None else redis.url)
    async with (
        open_database(chosen.database) as database,
        open_channels(chosen, database, Access({})) as channels,
    ):
        yield channels.hub


async def until(look: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not look():  # noqa: ASYNC110  # there is no event for all that is looked at
            await asyncio.sleep(0.01)


def news(topic: Topic) -> list[tuple[str, int]]:
    """Return name and id of each event that was told."""
    told = []
    for at in range(topic.journal.last):
        for event in topic.journal.entry(at + 1).split(b"\n\n")[:-1]:
            fields = dict(line.split(b": ", 1) for line in event.split(b"\n"))
            told.append((fields[b"event"].decode(), orjson.loads(fields[b"data"])["id"]))
    return told


def run(work: Callable[[], Awaitable[Any]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]  # they are coroutines


@pytest.fixture
def unpolled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be polled after the first time."""
    monkeypatch.setattr(hubs, "POLL_SECONDS", 600.0)


@pytest.mark.usefixtures("unpolled")
def test_change_notices_make_a_poll_unneeded(
    engine: Engine, database_url: str, redis_server: Redis
) -> None:
    first, second = make(engine, 2)

    async def work() -> None:
        async with opened(database_url, redis_server) as hub:
            with hub.following(ALL) as topic, hub.following_task(first) as mine:
                await hub.snapshot(topic)
                await hub.snapshot(mine)
                with connect(redis_server) as redis:
                    channel = "rowlease:{rowlease}:1:changes"
                    await until(lambda: redis.pubsub_numsub(channel)[0][1])
                    change(engine, first, "title = 'b'")
                    remove(engine, second)
                    told = {"number": 1, "changes": [{"id": first}, {"id": second}]}
                    redis.publish(channel, orjson.dumps(told))
                await until(lambda: topic.journal.last)
                assert news(topic) == [("task", first), ("gone", second)]
                assert news(mine) == [("task", first)]

    run(work)


@pytest.mark.usefixtures("unpolled")
def test_notices_that_are_lost_repeated_or_late_tell_nothing_old(
    engine: Engine, database_url: str
) -> None:
    task_ids = make(engine, 3)

    async def work() -> None:
        async with opened(database_url) as hub:
            with hub.following(ALL) as topic:
                await hub.snapshot(topic)
                for round_ in range(5):
                    for task_id in task_ids:
                        change(engine, task_id, f"version = version + 1, title = '{round_}'")
                    hub.hear([*task_ids, *reversed(task_ids), 999_999_999])
                    await until(lambda at=round_: topic.journal.last == at + 1)  # type: ignore[misc]
                hub.hear(task_ids)
                await hub.snapshot(topic)
                assert news(topic) == [("task", task_id) for task_id in task_ids] * 5

    run(work)


def test_callbacks_are_not_told_of_unless_their_queue_is_named(
    engine: Engine, database_url: str
) -> None:
    async def work() -> None:
        async with opened(database_url) as hub:
            own = TaskFilter(queue=[CALLBACK_QUEUE])
            with hub.following(ALL) as topic, hub.following(own) as callbacks:
                await hub.snapshot(topic)
                await hub.snapshot(callbacks)
                (callback,) = make(engine, queue=CALLBACK_QUEUE)
                (task_id,) = make(engine)
                hub.hear([callback, task_id])
                await until(lambda: topic.journal.last and callbacks.journal.last)
                assert (news(topic), news(callbacks)) == ([("task", task_id)], [("task", callback)])

    run(work)


def test_a_flood_of_changes_is_left_to_the_poll(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "MOST_NEWS", 5)

    async def work() -> None:
        async with opened(database_url) as hub:
            with hub.following(ALL) as topic:
                await hub.snapshot(topic)
                task_ids = make(engine, 8)
                hub.hear(task_ids)
                await until(lambda: len(news(topic)) == 8)

    run(work)


def test_who_comes_back_within_moments_finds_the_topic(engine: Engine, database_url: str) -> None:
    make(engine)

    async def work() -> None:
        async with opened(database_url) as hub:
            with hub.following(ALL) as topic:
                await hub.snapshot(topic)
            with hub.following(TaskFilter()) as again:
                assert again is topic
            with hub.following_task(1) as unread:
                pass
            with hub.following_task(1) as other:
                assert other is not unread  # nobody was told anything by which to go on
            hub._left.update(dict.fromkeys(hub._left, -hubs.LINGER_SECONDS))
            with hub.following(TaskFilter(queue=["a"])):
                pass
            assert not hub._topics

    run(work)


def test_silence_is_kept_alive(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del engine
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.3)

    async def work() -> None:
        async with opened(database_url) as hub:
            stream = streams.events(hub, lambda: hub.following(ALL), None)
            told = [await anext(stream) for _ in range(4)]
            assert told[0].startswith(b"retry: ")
            assert told[1].startswith(b"id: ")
            assert told[2:] == [b": keep-alive\n\n"] * 2
            hub.close()
            assert [each async for each in stream] == []
            assert not hub._followers

    run(work)


def test_a_client_that_reads_too_slowly_gets_a_snapshot_in_place_of_what_it_missed(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MOST_ENTRIES", 3)
    (task_id,) = make(engine)

    async def work() -> None:
        async with opened(database_url) as hub:
            slow, slower = (streams.events(hub, lambda: hub.following(ALL), None) for _ in range(2))
            for stream in (slow, slower):
                assert b"retry: " in await anext(stream)
                assert b"event: snapshot" in await anext(stream)
            with hub.following(ALL) as topic:
                for number in range(5):
                    change(engine, task_id, f"title = '{number}'")
                    hub.hear([task_id])
                    await until(lambda at=number: topic.journal.last > at)  # type: ignore[misc]
                    if number == 1:
                        told = [await anext(slow), await anext(slow)]
            told += [await anext(slow) for _ in range(3)]
            for number, event in enumerate(told):
                assert b"event: task" in event
                assert f'"title":"{number}"'.encode() in event
            event = await anext(slower)
            assert b"event: snapshot" in event
            assert b'"title":"4"' in event

    run(work)


def test_a_topic_remembers_so_many_tasks_and_no_more(engine: Engine, database_url: str) -> None:
    task_ids = [task_id for _ in range(3) for task_id in make(engine, 400)]

    async def work() -> None:
        async with opened(database_url) as hub:
            with hub.following(ALL) as topic:
                await hub.snapshot(topic)
                for start in range(0, 1_200, 400):
                    hub.hear(task_ids[start : start + 400])
                    await hub.snapshot(topic)
                assert topic.watched() >= set(task_ids[-100:])
                assert len(topic.watched()) == MOST_KNOWN

    run(work)


def test_a_task_that_ended_before_the_first_look_wakes_who_waits(
    engine: Engine, database_url: str
) -> None:
    (task_id,) = make(engine)

    async def work() -> None:
        async with opened(database_url) as hub:
            with hub.following_task(task_id) as topic:
                told = topic.told
                succeed(engine, *claim(engine))
                async with asyncio.timeout(5):
                    await told.wait()
                assert topic.latest is not None
                assert topic.latest["status"] == "done"

    run(work)


def test_a_journal_is_bounded_and_says_what_it_has() -> None:
    told = Journal()
    assert told.has_after(0)
    for _ in range(journal.MOST_ENTRIES + 5):
        told.add([b"event: a\n\n"])
    last = told.last
    assert [told.has_after(number) for number in (4, 5, last, last + 1)] == [
        *(False, True),
        *(True, False),
    ]
    assert told.entry(6).startswith(f"id: {told.id_of(6)}\n".encode())

    told.add([b"x" * journal.MOST_BYTES])
    assert [told.has_after(number) for number in (last - 1, last)] == [False, True]


def test_an_id_is_of_one_journal() -> None:
    told = Journal()
    told.add([b"event: a\n\n", b"event: b\n\n"])
    assert told.entry(1) == b"event: a\n\nid: %b\nevent: b\n\n" % told.id_of(1).encode()
    assert told.number_of(told.id_of(1)) == 1
    stem = told.id_of(1).removesuffix("1")
    for other in (None, "", "1", stem, f"{stem}x", f"{stem}-1", f"{stem}²", Journal().id_of(1)):
        assert told.number_of(other) is None
    assert not told.has_after(told.number_of(stem + "9" * 40) or 0)
