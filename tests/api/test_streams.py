"""Many streams, and how they end."""

import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from httpx2 import Response
from sqlalchemy import Engine

from tests.api.following import following
from tests.api.process import ApiProcess, api_process
from tests.api.requests import problem
from tests.rows import change, make, rows
from tests.waiting import wait_for
from tools.servers import Redis
from tools.servers.proxy import proxy

STREAMS = 1_000
REQUEST = b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture(params=["redis", "polling"])
def running(
    request: pytest.FixtureRequest, engine: Engine, database_url: str, redis_process: Redis
) -> Iterator[ApiProcess]:
    del engine  # which empties the tables
    variables = {"REDIS_URL": redis_process.url} if request.param == "redis" else {}
    with api_process(database_url, **variables) as process:
        process.wait_until_up("/readyz")
        yield process


@contextmanager
def polling(url: str) -> Iterator[ApiProcess]:
    """Run the API without Redis."""
    with api_process(url) as process:
        process.wait_until_up("/readyz")
        yield process


def connect(process: ApiProcess) -> socket.socket:
    url = process.client.base_url
    return socket.create_connection((url.host, url.port or 0), timeout=20)


@contextmanager
def many(process: ApiProcess) -> Iterator[list[socket.socket]]:
    """Open a thousand streams."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    streams = [connect(process) for _ in range(STREAMS)]
    try:
        for each in streams:
            each.sendall(REQUEST)
        yield streams
    finally:
        for each in streams:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def read_until(connection: socket.socket, words: bytes) -> None:
    found = b""
    while words not in found:
        more = connection.recv(65_536)
        assert more, found
        found += more


def connections(engine: Engine) -> int:
    query = "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE db = DATABASE()"
    return int(rows(engine, query)[0]["n"])


def test_a_thousand_streams_cost_no_connections_and_end_at_once(
    running: ApiProcess, engine: Engine
) -> None:
    before = connections(engine)
    with many(running) as streams:
        for each in streams:
            read_until(each, b"event: snapshot")
        running.client.post("/tasks", json={"title": "a"})
        for each in streams:
            read_until(each, b"event: task")
        assert connections(engine) <= before + 3

        began = time.monotonic()
        running.signal(signal.SIGTERM)
        for each in streams:
            while each.recv(65_536):
                pass
        assert running.wait() == 0
        assert time.monotonic() - began < 10


def test_all_processes_end_at_once_with_streams_and_waits(
    engine: Engine, database_url: str
) -> None:
    (task_id,) = make(engine)
    with api_process(database_url, WEB_CONCURRENCY="2") as process:
        process.wait_until_up("/readyz")
        with following(process, "/events") as stream, waiting(process, task_id) as answers:
            stream.wait_for(("snapshot", task_id))
            began = time.monotonic()
            assert process.end() == 0
            assert time.monotonic() - began < 10
            wait_for(lambda: stream.has_ended)
            wait_for(lambda: [answer.json()["id"] for answer in answers] == [task_id])


@contextmanager
def waiting(process: ApiProcess, task_id: int) -> Iterator[list[Response]]:
    """Have a request wait for a task; yields when the server has it."""
    answers: list[Response] = []
    thread = threading.Thread(
        target=lambda: answers.append(process.client.get(f"/tasks/{task_id}?wait=30"))
    )
    thread.start()
    time.sleep(0.3)  # nothing tells when a request that is not answered has arrived
    yield answers
    thread.join()


def test_streams_outlive_the_database(engine: Engine, database_url: str) -> None:
    (task_id,) = make(engine)
    with (
        proxy(database_url) as way,
        polling(way.url) as process,
        following(process, "/events") as stream,
    ):
        stream.wait_for(("snapshot", task_id))
        way.leave()
        wait_for(lambda: process.client.get("/health").json()["status"] == "degraded")
        problem(process.client.get("/events"), 503, "database_away")
        change(engine, task_id, "title = 'b'")
        way.come_back()
        stream.wait_for(("snapshot", task_id), ("task", task_id, "to_do"))
