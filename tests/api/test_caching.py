"""The read cache: what it spares the database, and that it never shows what was before."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from starlette.responses import Response
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from api import caching, database
from api.caching import Cache, Filling, Keys
from api.kept import Answer
from api.main import build
from api.problems import Problem
from schema.changes import Notice
from schema.runtime import redis_link
from schema.runtime.notices import announce, keys_of_task
from schema.runtime.redis_link import RedisLink, moment
from schema.runtime.settings import Settings
from tests.api.requests import create, local_client, problem
from tests.cache_server import connect, frozen
from tests.rows import change, make, remove
from tests.waiting import wait_for
from tools.servers import Redis
from tools.servers.ports import LOOPBACK, free_port


@contextmanager
def api(database_url: str, redis_url: str) -> Iterator[TestClient]:
    """Start the API on a database and a Redis."""
    chosen = Settings(database_url=database_url, redis_url=redis_url)
    with local_client(build(lambda: chosen)) as client:
        yield client


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Redis take its time: it may share two cores with much else."""
    for module in (redis_link, caching):
        monkeypatch.setattr(module, "LIMIT_SECONDS", 5)
    monkeypatch.setattr(database, "TELLING_SECONDS", 5)


@pytest.fixture(scope="module")
def cached_api(database_url: str, redis_process: Redis) -> Iterator[TestClient]:
    with api(database_url, redis_process.url) as client:
        yield client


@pytest.fixture
def cached(
    engine: Engine,  # noqa: ARG001  # empties the tables
    cached_api: TestClient,
    redis_server: Redis,
    patience: None,  # noqa: ARG001
) -> TestClient:
    """A client of an API with a cache, both empty and in touch."""
    wait_for(lambda: cached_api.get("/tasks").headers["x-cache"] != "bypass")
    with connect(redis_server) as own:
        own.flushall()
    return cached_api


def how(client: TestClient, path: str, **headers: str) -> tuple[str, Any]:
    """Return where an answer came from, and the answer."""
    response = client.get(path, headers=headers)
    assert response.status_code == 200, response.text
    return response.headers["x-cache"], response.json()


def title(client: TestClient, task_id: int) -> str:
    return str(how(client, f"/tasks/{task_id}")[1]["title"])


def test_the_second_answer_is_the_first_one_kept(cached: TestClient) -> None:
    task = create(cached, payload={"a": ["高", 1.5]})
    path = f"/tasks/{task['id']}"

    first, again = cached.get(path), cached.get(path)

    assert (first.headers["x-cache"], again.headers["x-cache"]) == ("miss", "hit")
    assert first.content == again.content
    assert first.json() == task
    differing = {"x-cache", "x-request-id", "date"}
    assert {*first.headers.items()} ^ {*again.headers.items()} == {
        (name, response.headers[name])
        for name in differing - {"date"}
        for response in (first, again)
    }
    for same in ("/api/v1/tasks/{}", "/api/tasks/{}/"):
        assert how(cached, same.format(task["id"])) == ("hit", task)


def test_who_changed_a_task_reads_the_change(cached: TestClient) -> None:
    task_id = create(cached)["id"]
    for number in range(20):
        cached.patch(f"/tasks/{task_id}", json={"title": str(number)})
        assert title(cached, task_id) == str(number)
        assert title(cached, task_id) == str(number)
    assert cached.post(f"/tasks/{task_id}/pause").status_code == 200
    assert how(cached, f"/tasks/{task_id}")[1]["status"] == "paused"
    assert cached.delete(f"/tasks/{task_id}").status_code == 204
    problem(cached.get(f"/tasks/{task_id}"), 404, "task_not_found")


@pytest.mark.parametrize("value", ["no-cache", "max-age=0, No-Cache", "no-store"])
def test_a_client_may_ask_for_nothing_kept(cached: TestClient, value: str) -> None:
    task_id = create(cached)["id"]
    how(cached, f"/tasks/{task_id}")
    how(cached, "/tasks")

    for path in (f"/tasks/{task_id}", "/tasks"):
        assert how(cached, path)[0] == "hit"
        assert how(cached, path, **{"cache-control": value})[0] == "bypass"


@pytest.mark.parametrize("asked", ["wait=0", "w%61it=0"])
def test_who_waits_is_not_waited_for_by_others(cached: TestClient, asked: str) -> None:
    task_id = create(cached)["id"]

    assert how(cached, f"/tasks/{task_id}?{asked}")[0] == "bypass"


def test_without_redis_nothing_is_kept(client: TestClient) -> None:
    create(client)
    assert how(client, "/tasks")[0] == "bypass"
    assert how(client, "/tasks")[0] == "bypass"


def test_what_plain_sql_changes_is_seen_soon(cached: TestClient, engine: Engine) -> None:
    task_id = create(cached)["id"]
    assert title(cached, task_id) == "a task"

    began = time.monotonic()
    change(engine, task_id, "title = 'other'")
    wait_for(lambda: title(cached, task_id) == "other", seconds=2)
    assert time.monotonic() - began < 2
    remove(engine, task_id)
    wait_for(lambda: cached.get(f"/tasks/{task_id}").status_code == 404, seconds=2)


def test_lists_are_kept_apart_by_what_was_asked(cached: TestClient) -> None:
    create(cached, queue="a")
    (second,) = [create(cached, queue="b")]
    paths = [
        "/tasks",
        "/tasks?queue=b",
        "/tasks?limit=1",
        "/api/tasks?limit=1",
        "/accounts/x/tasks",
    ]

    kept = {path: how(cached, path) for path in paths}

    assert {where for where, _ in kept.values()} == {"miss"}
    assert kept["/tasks?queue=b"][1][0]["id"] == second["id"]
    for path, (_, answer) in kept.items():
        assert how(cached, path) == ("hit", answer)
    assert "/api/tasks" in cached.get("/api/tasks?limit=1").headers["link"]
    wait_for(lambda: len(how(cached, "/accounts/x/tasks")[1]) == 0)
    create(cached, queue="b")
    wait_for(lambda: len(how(cached, "/tasks?queue=b")[1]) == 2, seconds=1.5)


def test_what_is_refused_is_not_kept(cached: TestClient) -> None:
    for _ in range(2):
        problem(cached.get("/tasks/12345"), 404, "task_not_found")
        problem(cached.get("/tasks?limit=x"), 422, "invalid")
    assert create(cached)["id"] != 12345


Garbage = Callable[[Any, str], Any]


@pytest.mark.parametrize(
    "garbage",
    [
        lambda client, key: client.set(key, "nonsense"),
        lambda client, key: client.set(key, f"{key} 99 0\n\n\n"),
        lambda client, key: client.setrange(key, client.strlen(key) - 9, "9"),
        lambda client, key: client.set(key, client.get(key)[:-1]),
        lambda client, key: (client.delete(key), client.rpush(key, "a")),
        lambda client, key: client.rename(key, f"{key}1"),
    ],
)
def test_an_entry_that_is_nonsense_is_read_anew(
    cached: TestClient, redis_server: Redis, garbage: Garbage
) -> None:
    (first, second) = (create(cached), create(cached))
    for task in (first, second):
        how(cached, f"/tasks/{task['id']}")
    with connect(redis_server) as client:
        for key in client.keys("*:answer:*"):
            with suppress(Exception):
                garbage(client, key)
        for key in client.keys("*:version:*"):
            client.set(key, "nonsense")

    for task in (first, second):
        assert how(cached, f"/tasks/{task['id']}")[1] == task


# What goes wrong between reading and keeping, in a forced order.


class Reader:
    """Reads a task's version from a row that the test changes, and waits where it says."""

    def __init__(self, cache: Cache, keys: Keys) -> None:
        self._cache, self._keys = cache, keys
        self.row = 1
        self.reads = self.length = 0
        self.has_read = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def read(self, *, waits: bool = False) -> Response:
        version, self.reads = self.row, self.reads + 1
        if waits:
            self.has_read.set()
            await self.may_go_on.wait()
        response = Response(str(version).rjust(self.length))
        response.version = version  # type: ignore[attr-defined]
        return response

    async def get(self, *, waits: bool = False) -> int:
        response = await self._cache.answer(self._keys, lambda: self.read(waits=waits))
        return int(bytes(response.body))


def racing(
    redis_server: Redis, test: Callable[[Reader, Callable[[], Awaitable[None]]], Awaitable[None]]
) -> None:
    """Run a test with a reader, and with what commits a new version and tells Redis."""

    async def run() -> None:
        link = RedisLink(redis_server.url, "race")
        cache = Cache(link)
        reader = Reader(cache, Keys(*keys_of_task(link, 7)))

        async def commit() -> None:
            reader.row += 1
            notice = Notice(7, reader.row, "to_do", "q")
            assert await link.ask("telling", lambda client: announce(client, link, [notice]))

        await test(reader, commit)
        cache.close()
        await link.close()

    asyncio.run(run())


@pytest.mark.usefixtures("patience")
def test_a_slow_reader_brings_back_no_older_version(redis_server: Redis) -> None:
    async def test(reader: Reader, commit: Callable[[], Awaitable[None]]) -> None:
        slow = asyncio.create_task(reader.get(waits=True))
        await reader.has_read.wait()
        await commit()
        reader.may_go_on.set()
        assert await slow == 1  # it began before the change

        for _ in range(10):
            assert await reader.get() == 2

    racing(redis_server, test)


@pytest.mark.usefixtures("patience")
def test_who_comes_after_a_change_does_not_join_a_read_from_before(redis_server: Redis) -> None:
    async def test(reader: Reader, commit: Callable[[], Awaitable[None]]) -> None:
        slow = asyncio.create_task(reader.get(waits=True))
        await reader.has_read.wait()
        await commit()
        late = asyncio.create_task(reader.get())
        await asyncio.sleep(0)
        reader.may_go_on.set()

        assert (await slow, await late) == (1, 2)
        assert await reader.get() == 2

    racing(redis_server, test)


@pytest.mark.usefixtures("patience")
def test_a_stampede_reads_once(redis_server: Redis) -> None:
    async def test(reader: Reader, commit: Callable[[], Awaitable[None]]) -> None:
        assert await asyncio.gather(*(reader.get() for _ in range(1_000))) == [1] * 1_000
        assert reader.reads == 1
        await commit()
        assert await asyncio.gather(*(reader.get() for _ in range(1_000))) == [2] * 1_000
        assert reader.reads == 2

    racing(redis_server, test)


@pytest.mark.usefixtures("patience")
def test_an_answer_that_is_too_long_for_redis_is_read_once_too(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "ENTRY_SECONDS", 60)

    async def test(reader: Reader, commit: Callable[[], Awaitable[None]]) -> None:
        reader.length = caching.MOST_BYTES + 1
        assert [await reader.get() for _ in range(5)] == [1] * 5
        assert reader.reads == 1
        await commit()
        assert [await reader.get() for _ in range(5)] == [2] * 5
        assert reader.reads == 2

    racing(redis_server, test)


@pytest.mark.usefixtures("patience")
def test_a_reader_that_fails_fails_for_those_who_wait_too(redis_server: Redis) -> None:
    async def run() -> None:
        link = RedisLink(redis_server.url, "race")
        cache, keys = Cache(link), Keys("version", "answer")
        reads = 0

        async def read() -> Response:
            nonlocal reads
            reads += 1
            await asyncio.sleep(0.05)
            raise Problem(404, "task_not_found", values={"task_id": 1})

        asked = [cache.answer(keys, read) for _ in range(20)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        await link.close()
        assert reads == 1
        assert {type(each) for each in answers} == {Problem}

    asyncio.run(run())


@pytest.mark.usefixtures("patience")
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.sampled_from(["kept", "kept too late", "told"]), st.integers(1, 4)),
        max_size=12,
    )
)
def test_in_whatever_order_writers_come_no_version_goes_back(
    redis_server: Redis, steps: list[tuple[str, int]]
) -> None:
    async def run() -> None:
        link = RedisLink(redis_server.url, "order")
        cache, keys = Cache(link), Keys(*keys_of_task(link, 7))
        newest = -1
        with connect(redis_server) as client:
            client.delete(*keys)
            for step, version in steps:
                now = await link.ask("looking", moment) or 0
                if step == "told":
                    notice = Notice(7, version, "to_do", "q")
                    await link.ask("telling", lambda own: announce(own, link, [notice]))  # noqa: B023
                else:
                    asked_at = now if step == "kept" else now - 1_001
                    filling = Filling(keys, Answer([(b"a", b"b")], b"", version), asked_at)
                    assert await cache._fillings.ask(filling) is (
                        step == "kept" and version >= newest
                    )
                newest = newest if step == "kept too late" else max(newest, version)
                known, answer = client.mget(keys)
                assert int(known or -1) == newest
                assert answer is None or int(answer.split(" ")[1]) == newest
        await link.close()

    asyncio.run(run())


# Redis in trouble.


@contextmanager
def nonsense(answer: bytes) -> Iterator[str]:
    """Something that answers whatever it is asked, but is no Redis."""
    listener = socket.create_server((LOOPBACK, 0))

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while connection.recv(65_536):
                connection.sendall(answer)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=talk, args=[listener.accept()[0]], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"redis://{LOOPBACK}:{listener.getsockname()[1]}/0"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@contextmanager
def silent(redis_server: Redis) -> Iterator[str]:
    with frozen(redis_server):
        yield redis_server.url


@contextmanager
def away() -> Iterator[str]:
    yield f"redis://{LOOPBACK}:{free_port()}/0"


@contextmanager
def full(redis_server: Redis) -> Iterator[str]:
    with connect(redis_server) as client:
        client.config_set("maxmemory", 1)
    yield redis_server.url


@contextmanager
def read_only(redis_server: Redis) -> Iterator[str]:
    with connect(redis_server) as client:
        client.replicaof(LOOPBACK, "1")
        client.config_set("replica-serve-stale-data", "yes")
    yield redis_server.url


@contextmanager
def wrong_password(redis_server: Redis) -> Iterator[str]:
    with connect(redis_server) as client:
        client.config_set("requirepass", "another")
        yield redis_server.url.replace("redis://", "redis://:wrong@")
        client.config_set("requirepass", "")


TROUBLES: dict[str, Callable[[Redis], Any]] = {
    "away": lambda _: away(),
    "silent": silent,
    "full": full,
    "read only": read_only,
    "wrong password": wrong_password,
    "OK to everything": lambda _: nonsense(b"+OK\r\n"),
    "bulk strings": lambda _: nonsense(b"$2\r\nhi\r\n"),
    "no protocol": lambda _: nonsense(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "no end": lambda _: nonsense(b"*1000\r\n"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_whatever_redis_does_answers_are_right_and_quick(
    engine: Engine, database_url: str, redis_server: Redis, trouble: str
) -> None:
    (task_id,) = make(engine)
    with (
        TROUBLES[trouble](redis_server) as redis_url,
        capture_logs() as lines,
        api(database_url, redis_url) as client,
    ):
        began = time.monotonic()
        for number in range(15):
            assert client.patch(f"/tasks/{task_id}", json={"title": str(number)}).status_code == 200
            assert title(client, task_id) == str(number)
            assert how(client, "/tasks")[1][0]["id"] == task_id
        assert time.monotonic() - began < 2
        assert len(lines) == 1, lines


def test_a_redis_that_was_away_or_wiped_is_used_again(
    cached: TestClient, redis_server: Redis
) -> None:
    task_id = create(cached)["id"]
    how(cached, f"/tasks/{task_id}")
    with capture_logs() as lines:
        redis_server.kill()
        assert [title(cached, task_id) for _ in range(5)] == ["a task"] * 5
        redis_server.start()
        wait_for(lambda: how(cached, f"/tasks/{task_id}")[0] == "hit")
        with connect(redis_server) as client:
            client.flushall()
        assert how(cached, f"/tasks/{task_id}")[0] == "miss"

    assert [line["event"] for line in lines] == ["redis trouble", "redis trouble is over"]
