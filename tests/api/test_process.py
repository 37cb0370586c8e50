"""The web process: how it starts, what it logs, how it ends."""

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from schema.runtime.settings import settings
from schema.runtime.transactions import transaction
from tests.api.process import ROOT, ApiProcess, api_process
from tests.api.requests import problem
from tests.rows import make, rows


@pytest.fixture
def running(engine: Engine, database_url: str) -> Iterator[ApiProcess]:  # noqa: ARG001  # empties the tables
    """The API in a process of its own, up."""
    with api_process(database_url) as process:
        process.wait_until_up()
        yield process


@pytest.fixture(scope="module")
def ended(database_url: str) -> Iterator[ApiProcess]:
    """The API after a short life: what it logged, its exit code."""
    with api_process(database_url) as process:
        process.wait_until_up()
        for _ in range(3):
            assert process.client.get("/tasks").status_code == 200
        process.end()
        yield process


def test_sigterm_ends_it_with_exit_code_0(ended: ApiProcess) -> None:
    assert (ended.wait(), ended.stderr) == (0, "")


def test_its_log_is_json_without_a_line_for_each_request(ended: ApiProcess) -> None:
    events = [json.loads(line)["event"] for line in ended.stdout.splitlines()]

    assert "Application startup complete." in events
    assert not any("/tasks" in event for event in events)


def test_a_request_under_way_is_answered_before_the_end(
    engine: Engine, running: ApiProcess
) -> None:
    (task_id,) = make(engine)
    statuses = []
    path = f"/tasks/{task_id}"
    request = threading.Thread(
        target=lambda: statuses.append(running.client.patch(path, json={"title": "b"}).status_code)
    )
    with transaction(engine) as connection:
        connection.exec_driver_sql(f"SELECT id FROM tasks WHERE id = {task_id} FOR UPDATE").all()
        request.start()
        waiting = "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'UPDATE tasks%%'"
        while not rows(engine, waiting):
            time.sleep(0.02)
        running.signal(signal.SIGTERM)
    request.join()

    assert (running.wait(), statuses) == (0, [200])


def test_bodies_that_do_not_end_are_refused_or_given_up(running: ApiProcess) -> None:
    url = running.client.base_url
    address = (url.host, url.port or 0)
    head = b"POST /tasks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    with socket.create_connection(address) as endless, socket.create_connection(address) as idle:
        endless.sendall(head + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(17):
            endless.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        assert b" 413 " in endless.recv(65_536)

        idle.sendall(head + b"content-length: 10\r\n\r\n")
        running.client.get("/livez")
        started = time.monotonic()
        assert running.end() == 0
        assert time.monotonic() - started < 10


def test_several_processes_serve_and_end_together(engine: Engine, database_url: str) -> None:
    make(engine)
    with api_process(database_url, WEB_CONCURRENCY="2") as process:
        process.wait_until_up("/readyz")

        assert len(process.client.get("/api/v1/tasks").json()) == 1
        assert process.end() == 0

        starts = [json.loads(line) for line in process.stdout.splitlines()]
        assert sum(each["event"] == "Application startup complete." for each in starts) == 2


def test_a_wrong_setting_is_one_sentence_and_exit_code_2() -> None:
    with api_process("postgres://x/y", PORT="none") as process:
        assert process.wait() == 2

        (sentence,) = process.stderr.splitlines()
        assert "DATABASE_URL" in sentence
        assert "PORT" in sentence
        assert process.stdout == ""


def test_it_starts_without_its_database(database_url: str) -> None:
    away = make_url(database_url).set(port=1).render_as_string(hide_password=False)
    with api_process(away) as process:
        process.wait_until_up()

        problem(process.client.get("/tasks"), 503, "database_away")
        problem(process.client.get("/readyz"), 503, "database_away")

        assert process.end() == 0
        assert "Traceback" not in process.stdout + process.stderr
        troubles = [line for line in process.stdout.splitlines() if "database trouble" in line]
        assert len(troubles) == 1


@pytest.fixture(scope="module")
def wrong(pooled: Engine, database_url: str) -> Iterator[str]:
    """A database whose claim index would not give tasks in their order."""
    url = (
        make_url(database_url).set(database="rowlease_wrong").render_as_string(hide_password=False)
    )
    with pooled.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE rowlease_wrong")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABASE_URL", url)
            settings.cache_clear()
            command.upgrade(Config(ROOT / "alembic.ini"), "head")
        settings.cache_clear()
        connection.exec_driver_sql(
            "ALTER TABLE rowlease_wrong.tasks DROP INDEX ix_tasks_claim,"
            " ADD INDEX ix_tasks_claim (claimable, queue, priority, id)"
        )
        yield url
        connection.exec_driver_sql("DROP DATABASE rowlease_wrong")


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_wrong_server_ends_it_with_one_sentence(wrong: str, processes: str) -> None:
    with api_process(wrong, WEB_CONCURRENCY=processes) as process:
        assert process.wait() == 3

        assert "ix_tasks_claim" in process.stderr.splitlines()[0]
        assert len(set(process.stderr.splitlines())) == 1
        assert "Traceback" not in process.stdout + process.stderr
