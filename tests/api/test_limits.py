"""How much may be asked for: full queues, slow clients; and what browsers are told."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import Engine
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from api import bodies, connections
from api.connections import MOST_PIPELINED, Connection
from api.main import build
from schema.runtime.settings import Settings
from tests.api.process import api_process
from tests.api.requests import create, local_client, problem
from tests.rows import make, rows
from tests.waiting import wait_for
from tools.servers.ports import LOOPBACK, free_port

A = {"authorization": "Bearer a"}
ORIGIN = "https://dashboard.example"


@pytest.fixture
def api(engine: Engine, database_url: str) -> Iterator[Callable[..., TestClient]]:  # noqa: ARG001  # empties the tables
    """Start the API with settings."""
    with ExitStack() as stack:

        def start(**chosen: Any) -> TestClient:
            settings = Settings(database_url=database_url, **chosen)
            return stack.enter_context(local_client(build(lambda: settings)))

        yield start


def test_a_full_queue_takes_no_more(api: Callable[..., TestClient], engine: Engine) -> None:
    client = api(max_queue_depth=3)
    create(client)
    create(client, available_at="2099-01-01T00:00:00Z")

    batch = {"tasks": [{"title": "b"}, {"title": "c", "queue": "other"}, {"title": "d"}]}
    response = client.post("/tasks/batch", json=batch)
    assert "default" in problem(response, 503, "queue_full")["detail"]
    assert int(response.headers["retry-after"]) >= 1
    assert len(rows(engine, "SELECT id FROM tasks")) == 2

    create(client)
    problem(client.post("/tasks", json={"title": "e"}), 503, "queue_full")
    create(client, queue="other")


def test_a_full_queue_gives_the_answer_of_a_request_that_it_took(
    api: Callable[..., TestClient],
) -> None:
    client = api(max_queue_depth=1)
    key = {"idempotency-key": "k"}

    first = client.post("/tasks", json={"title": "a"}, headers=key)

    assert client.post("/tasks", json={"title": "a"}, headers=key).json() == first.json()


def test_without_a_limit_a_queue_takes_any(client: TestClient, engine: Engine) -> None:
    make(engine, 1_100)

    create(client)


def test_pages_of_other_sites_may_not_read_anything(client: TestClient) -> None:
    response = client.get("/livez", headers={"origin": ORIGIN})

    assert not [name for name in response.headers if name.startswith("access-control")]


def test_pages_of_listed_origins_may(api: Callable[..., TestClient]) -> None:
    client = api(client_tokens="a", cors_origins=f"https://x.example, {ORIGIN}")
    asked = {"access-control-request-method": "PATCH"}
    wanted = {"access-control-request-headers": "authorization, if-match, idempotency-key"}

    preflight = client.options("/tasks/1", headers={"origin": ORIGIN} | asked | wanted)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "PATCH" in preflight.headers["access-control-allow-methods"]

    response = client.get("/tasks", headers={"origin": ORIGIN} | A)
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert "etag" in response.headers["access-control-expose-headers"].lower()
    assert "access-control-allow-credentials" not in response.headers

    other = client.get("/tasks", headers={"origin": "https://evil.example"} | A)
    assert "access-control-allow-origin" not in other.headers


def test_without_tokens_pages_of_listed_origins_may_too(api: Callable[..., TestClient]) -> None:
    client = api(cors_origins=ORIGIN)

    assert client.post("/tasks", json={"title": "a"}, headers={"origin": ORIGIN}).is_success
    refusal = client.post("/dispatcher/stop", headers={"origin": "https://evil.example"})
    assert "evil" in problem(refusal, 403, "tokens_not_set")["detail"]


@pytest.mark.parametrize("path", ["/tasks", "/nothing", "/livez", "/docs", "/openapi.json"])
def test_browsers_are_told_to_be_careful(client: TestClient, path: str) -> None:
    headers = client.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert ("script-src 'self'" in policy) == (path == "/docs")


def test_a_body_that_takes_too_long_is_given_up(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)

    async def late(_request: object) -> Any:
        await asyncio.sleep(10)
        yield b""

    monkeypatch.setattr("starlette.requests.Request.stream", late)
    response = client.post("/tasks", json={"title": "a"})

    problem(response, 408, "body_too_slow")
    assert response.headers["connection"] == "close"


async def _answers(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with as many megabytes as the path says."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(int(scope["path"].strip("/"))):
        await send({"type": "http.response.body", "body": b"x" * 1_048_576, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@contextmanager
def served(keep_alive_seconds: float = 5) -> Iterator[uvicorn.Server]:
    """Serve `_answers`."""
    config = uvicorn.Config(
        _answers,
        LOOPBACK,
        free_port(),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
    )
    config.timeout_keep_alive = keep_alive_seconds  # type: ignore[assignment]  # it takes any number
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield server
    finally:
        server.should_exit = True
        thread.join()


def connected(server: uvicorn.Server) -> socket.socket:
    """Connect as a client does."""
    return socket.create_connection((LOOPBACK, server.config.port))


def ends(connection: socket.socket) -> bytes:
    """Return what comes until the server closes the connection."""
    connection.settimeout(5)
    received = b""
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received


def answered(connection: socket.socket, megabytes: int) -> None:
    """Send a request on a connection that is kept, and read the answer to it."""
    connection.sendall(b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % megabytes)
    received = until_answered(connection)
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert len(received) > megabytes * 1_048_576


def until_answered(connection: socket.socket) -> bytes:
    """Return an answer, whole."""
    received = b""
    while not received.endswith(b"0\r\n\r\n"):
        part = connection.recv(1_048_576)
        assert part, received[-200:]
        received += part
    return received


@pytest.mark.parametrize("requests", [0, 1])
@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /0 HT", b"GET /0 HTTP/1.1\r\nhost: x\r\n"])
def test_a_client_that_never_ends_the_head_of_a_request_is_left(
    monkeypatch: pytest.MonkeyPatch, requests: int, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    with served(keep_alive_seconds=0.1) as server, connected(server) as slow:
        for _ in range(requests):
            answered(slow, 0)
        slow.sendall(sent)

        started = time.monotonic()
        assert ends(slow) == b""
        assert time.monotonic() - started < 3


def test_a_head_that_is_too_large_is_refused() -> None:
    with served() as server, connected(server) as connection:
        connection.sendall(b"GET /0 HTTP/1.1\r\n")
        received = b""
        try:
            for number in range(2_000):
                connection.sendall(b"x-%d: %s\r\n" % (number, b"y" * 1_000))
        except ConnectionError:
            pass
        received = ends(connection)
    assert not received or received.startswith(b"HTTP/1.1 400 Bad Request")


def test_a_body_that_was_answered_before_its_end_does_not_disturb_what_follows() -> None:
    body = b"x" * 1_048_576
    with served() as server, connected(server) as connection:
        head = b"POST /0 HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
        for _ in range(3):
            connection.sendall(head + body[:1])
            assert until_answered(connection).startswith(b"HTTP/1.1 200 OK")
            connection.sendall(body[1:])
            answered(connection, 0)


@pytest.mark.parametrize("path", [0, 50])
def test_what_follows_a_request_has_its_limits_too(path: int) -> None:
    with served() as server, connected(server) as connection:
        connection.sendall(b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\nGET /0 HTTP/1.1\r\n" % path)
        with pytest.raises(ConnectionError):
            send_often(connection, b"x: %b\r\n" % (b"y" * 1_000))


def test_only_so_many_requests_wait_for_the_one_before_them() -> None:
    with served() as server, connected(server) as connection:
        connection.sendall(b"GET /50 HTTP/1.1\r\nhost: x\r\n\r\n")
        connection.recv(1)
        connection.sendall(b"GET /0 HTTP/1.1\r\nhost: x\r\n\r\n" * (MOST_PIPELINED + 1))
        wait_for(lambda: not server.server_state.connections)


def test_a_wish_for_another_protocol_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    with served() as server, connected(server) as connection:
        connection.sendall(
            b"GET /0 HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
        )
        assert until_answered(connection).startswith(b"HTTP/1.1 200 OK")
    assert not [each for each in caplog.records if each.levelname == "WARNING"]


def test_what_is_not_http_is_answered_with_a_problem() -> None:
    with served() as server, connected(server) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\r\n\r\n")

        received = ends(connection)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in received
    assert b'"code":"not_http"' in received


@pytest.mark.parametrize("then", [b"", b"GET /1 HTTP/1.1\r\nhost: x\r\n\r\n"])
def test_a_client_that_does_not_read_is_left(monkeypatch: pytest.MonkeyPatch, then: bytes) -> None:
    monkeypatch.setattr(connections, "SILENCE_SECONDS", 0.3)
    with served() as server, connected(server) as connection:
        connection.sendall(b"GET /50 HTTP/1.1\r\nhost: x\r\n\r\n")
        connection.recv(1)
        connection.sendall(then)
        wait_for(lambda: not server.server_state.connections)

        assert len(ends(connection)) < 50 * 1_048_576


def test_a_client_that_reads_gets_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    with served() as server, connected(server) as connection:
        for megabytes in (0, 20, 0, 50):
            answered(connection, megabytes)


@pytest.mark.usefixtures("engine")
def test_a_body_without_end_is_left_and_costs_no_memory(database_url: str) -> None:
    chunk = b"10000\r\n%s\r\n" % (b"x" * 65_536)
    with api_process(database_url) as api:
        api.wait_until_up("/readyz")
        address = (LOOPBACK, api.client.base_url.port or 0)
        before = resident(api.pid)
        for _ in range(5):
            with socket.create_connection(address, 10) as endless:
                endless.sendall(
                    b"POST /tasks HTTP/1.1\r\nhost: 127.0.0.1\r\n"
                    b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
                )
                with pytest.raises(ConnectionError):
                    send_often(endless, chunk)

        assert resident(api.pid) - before < 30 * 1_048_576
        assert api.client.get("/readyz").status_code == 200


def send_often(connection: socket.socket, chunk: bytes) -> None:
    """Send it 10,000 times."""
    for _ in range(10_000):
        connection.sendall(chunk)


def resident(pid: int) -> int:
    """Return the bytes of memory that a process has."""
    pages = Path(f"/proc/{pid}/statm")
    if not pages.exists():
        pytest.skip("only Linux tells what a process uses")
    return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
