"""Tasks that are asked for at the same time."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from api.main import build
from schema.runtime.settings import Settings
from tests.api.requests import local_client, problem
from tests.rows import rows, wait_until_blocked
from tests.waiting import wait_for

OTHERS = 10


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(OTHERS + 2) as threads:
        yield threads


@contextmanager
def held_up(engine: Engine) -> Iterator[None]:
    """Have tasks for the queue "fresh" wait for a transaction that makes this queue."""
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text("INSERT INTO queues (name) VALUES ('fresh')"))
        yield
        transaction.rollback()


Post = Callable[..., Future[Response]]


@pytest.fixture
def post(client: TestClient, pool: ThreadPoolExecutor) -> Post:
    def start(**fields: Any) -> Future[Response]:
        return pool.submit(client.post, "/tasks", json={"title": "a task"} | fields)

    return start


def waiting(client: TestClient) -> int:
    creations = client.app.state.creations  # type: ignore[attr-defined]  # it is FastAPI
    return len(creations._gathered._waiting)


def pile_up(client: TestClient, engine: Engine, post: Post) -> list[Future[Response]]:
    """Have one request held up and others wait for it; return the others."""
    post(queue="fresh")
    wait_until_blocked(engine)
    others = [post(title=f"{number}") for number in range(OTHERS)]
    wait_for(lambda: waiting(client) == OTHERS)
    return others


def test_tasks_that_wait_are_created_together(
    client: TestClient, engine: Engine, post: Post
) -> None:
    with held_up(engine):
        others = pile_up(client, engine, post)
    answers = [each.result() for each in others]

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["created_at"] for answer in answers}) == 1
    titles = {row["id"]: row["title"] for row in rows(engine, "SELECT id, title FROM tasks")}
    for number, answer in enumerate(answers):
        assert titles[answer.json()["id"]] == answer.json()["title"] == f"{number}"


def test_what_waits_for_a_key_holds_up_no_other(engine: Engine, post: Post) -> None:
    with held_up(engine):
        keyed = post(queue="fresh", unique_key="k")
        wait_until_blocked(engine)

        assert post().result().status_code == 201
        assert not keyed.done()
    assert keyed.result().status_code == 201


def test_a_queue_takes_of_those_that_wait_what_it_has_room_for(
    engine: Engine, database_url: str, pool: ThreadPoolExecutor
) -> None:
    application = build(lambda: Settings(database_url=database_url, max_queue_depth=4))
    with local_client(application) as client:

        def post(**fields: Any) -> Future[Response]:
            return pool.submit(client.post, "/tasks", json={"title": "a task"} | fields)

        with held_up(engine):
            others = pile_up(client, engine, post)
        answers = [each.result() for each in others]

    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(refused) == OTHERS - 4
    for answer in refused:
        problem(answer, 503, "queue_full")
