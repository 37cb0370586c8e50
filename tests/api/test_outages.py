"""The database away, hanging, not migrated: 503 at once, and well again by itself."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from api import database
from api.availability import Availability
from api.main import build
from schema.runtime.settings import Settings, settings
from schema.runtime.transactions import transaction
from tests.api.requests import create, local_client, problem
from tests.rows import make, rows
from tools.servers.proxy import Proxy, proxy

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def way(engine: Engine, database_url: str) -> Iterator[Proxy]:  # noqa: ARG001  # empties the tables
    """The way to the database, which the test may close."""
    with proxy(database_url) as opened:
        yield opened


@contextmanager
def api(url: str) -> Iterator[TestClient]:
    """Start the API on a database."""
    with local_client(build(lambda: Settings(database_url=url))) as client:
        yield client


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, 10 s at most."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


def is_ready(client: TestClient) -> bool:
    """Whether /readyz says so."""
    return client.get("/readyz").status_code == 200


def test_the_api_starts_without_its_database_and_heals(way: Proxy) -> None:
    way.leave()
    with api(way.url) as client:
        for path in ("/tasks", "/tasks/1", "/readyz"):
            response = client.get(path)
            problem(response, 503, "database_away")
            assert int(response.headers["retry-after"]) >= 1
        assert client.get("/livez").status_code == 200
        assert client.get("/health").json()["status"] == "degraded"

        way.come_back()

        eventually(lambda: is_ready(client))
        assert client.get("/health").json()["status"] == "healthy"
        assert client.post("/tasks", json={"title": "a"}).status_code == 201


def test_an_outage_is_one_line_at_its_start_and_one_at_its_end(way: Proxy) -> None:
    with api(way.url) as client, capture_logs() as lines:
        create(client)

        way.leave()
        for _ in range(20):
            problem(client.get("/tasks"), 503, "database_away")
        eventually(lambda: bool(lines))
        for _ in range(20):
            problem(client.post("/tasks", json={"title": "a"}), 503, "database_away")
        way.come_back()
        eventually(lambda: is_ready(client))

    assert [line["event"] for line in lines] == ["database trouble", "database trouble is over"]
    assert "exc_info" not in lines[0]


def test_while_the_database_is_away_requests_are_refused_at_once(way: Proxy) -> None:
    with api(way.url) as client:
        way.leave()
        eventually(lambda: client.get("/health").json()["status"] == "degraded" or is_ready(client))

        started = time.monotonic()
        for _ in range(50):
            problem(client.get("/tasks"), 503, "database_away")

        assert time.monotonic() - started < 1


def test_broken_connections_are_replaced_within_the_request(way: Proxy) -> None:
    with api(way.url) as client:
        task = create(client)

        for _ in range(3):
            way.cut()
            assert client.get(f"/tasks/{task['id']}").json() == task
            way.cut()
            create(client)


def test_a_database_that_hangs_costs_a_request_its_deadline_and_no_more(
    way: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database.DEADLINE_SECONDS < 5
    monkeypatch.setattr(database, "DEADLINE_SECONDS", 0.3)
    with api(way.url) as client:
        create(client)
        way.freeze()

        started = time.monotonic()
        problem(client.get("/tasks"), 503, "database_slow")
        problem(client.post("/tasks", json={"title": "a"}), 503, "database_slow")
        assert time.monotonic() - started < 1.5

        way.thaw()
        eventually(lambda: is_ready(client))
        assert len(client.get("/tasks").json()) == 1


def test_a_locked_row_costs_a_request_its_deadline_and_no_more(
    engine: Engine, way: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "DEADLINE_SECONDS", 0.3)
    (task_id,) = make(engine)
    with api(way.url) as client, transaction(engine) as connection:
        connection.exec_driver_sql(f"SELECT id FROM tasks WHERE id = {task_id} FOR UPDATE").all()

        problem(client.patch(f"/tasks/{task_id}", json={"title": "b"}), 503, "database_slow")

        assert client.get(f"/tasks/{task_id}").json()["title"] == "a task"


def test_a_commit_without_an_answer_is_told_and_not_repeated(engine: Engine, way: Proxy) -> None:
    with api(way.url) as client:
        create(client)
        way.break_at = b"COMMIT"

        problem(client.post("/tasks", json={"title": "once"}), 503, "outcome_unknown")

        once = "SELECT id FROM tasks WHERE title = 'once'"
        eventually(lambda: len(rows(engine, once)) == 1)
        assert is_ready(client)


def test_a_commit_that_hangs_is_told(
    engine: Engine, way: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "DEADLINE_SECONDS", 0.3)
    with api(way.url) as client:
        create(client)
        way.freeze_at = b"COMMIT"

        problem(client.post("/tasks", json={"title": "b"}), 503, "outcome_unknown")

        way.thaw()
        eventually(lambda: is_ready(client))
        eventually(lambda: len(rows(engine, "SELECT id FROM tasks")) == 2)


def test_requests_that_wait_for_rows_do_not_look_like_an_outage(
    engine: Engine, way: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "DEADLINE_SECONDS", 1)
    (task_id,) = make(engine)
    with api(way.url) as client, capture_logs() as lines, transaction(engine) as connection:
        connection.exec_driver_sql(f"SELECT id FROM tasks WHERE id = {task_id} FOR UPDATE").all()

        with ThreadPoolExecutor(15) as pool:
            requests = [
                pool.submit(client.patch, f"/tasks/{task_id}", json={"title": "b"})
                for _ in range(15)
            ]
        for request in requests:
            problem(request.result(), 503, "database_slow")

        assert is_ready(client)
        assert lines == []


def test_a_database_that_is_not_migrated_is_waited_for(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = (
        make_url(database_url)
        .set(database="rowlease_unmigrated")
        .render_as_string(hide_password=False)
    )
    with engine.connect() as connection:
        with api(url) as client, capture_logs() as lines:
            problem(client.get("/tasks"), 503, "database_not_migrated")
            connection.exec_driver_sql("CREATE DATABASE rowlease_unmigrated")
            problem(client.get("/readyz"), 503, "database_not_migrated")

            monkeypatch.setenv("DATABASE_URL", url)
            settings.cache_clear()
            command.upgrade(Config(ROOT / "alembic.ini"), "head")

            eventually(lambda: is_ready(client))
            create(client)
        connection.exec_driver_sql("DROP DATABASE rowlease_unmigrated")
    monkeypatch.undo()
    settings.cache_clear()
    assert [line["event"] for line in lines][-1] == "database trouble is over"


def test_tables_that_vanish_are_told(engine: Engine, way: Proxy) -> None:
    with api(way.url) as client:
        with engine.connect() as connection:
            connection.exec_driver_sql("RENAME TABLE task_tags TO task_tags_away")
            try:
                problem(client.get("/tasks"), 503, "database_not_migrated")
            finally:
                connection.exec_driver_sql("RENAME TABLE task_tags_away TO task_tags")
        eventually(lambda: client.get("/tasks").status_code == 200)


def test_a_cancellation_that_is_lost_does_not_hold_up_the_end(
    way: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Availability.watch

    async def deaf(self: Availability) -> None:
        """Lose the first cancellation, as asyncio.wait_for may while it connects."""
        with suppress(asyncio.CancelledError):
            await watch(self)
        await asyncio.Event().wait()

    monkeypatch.setattr(Availability, "watch", deaf)
    with api(way.url) as client:
        assert is_ready(client)
        began = time.monotonic()

    assert time.monotonic() - began < 2
