"""Idempotency-Key: what is sent again is done once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api import idempotency as keys
from api.access import GuardedRoute
from api.main import app, build
from schema import idempotency
from schema.runtime.settings import Settings
from schema.runtime.transactions import transaction
from tests.api.requests import create, local_client, problem
from tests.rows import claim, make, rows, succeed
from tests.waiting import wait_for
from tools.servers.proxy import Proxy, proxy

KEY = {"idempotency-key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def stored(engine: Engine) -> list[dict[str, Any]]:
    """Return the keys that are kept."""
    return rows(engine, "SELECT * FROM idempotency_keys ORDER BY created_at")


def age(engine: Engine, minutes: int) -> None:
    """Let the keys have come some minutes earlier."""
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            f"UPDATE idempotency_keys SET created_at = created_at - INTERVAL {minutes} MINUTE"
        )


def prepared(client: TestClient, engine: Engine) -> dict[str, int]:
    """Make what the addresses of all routes name, so that each POST has something to do."""
    (waiting,) = make(engine, 1)
    (done,) = make(engine, 1, queue="other")
    succeed(engine, *claim(engine, queues=["other"]))
    client.post(f"/tasks/{waiting}/pause")
    schedule = client.post("/schedules", json={"name": "s", "interval": 60}).json()["id"]
    return {"task_id": waiting, "done": done, "schedule_id": schedule}


POSTS = {
    "/tasks": {"title": "a"},
    "/tasks/batch": {"tasks": [{"title": "a"}, {"title": "b"}]},
    "/tasks/batch/start": {"ids": ["task_id"]},
    "/tasks/batch/stop": {"ids": ["task_id"]},
    "/tasks/batch/pause": {"ids": ["task_id"]},
    "/tasks/batch/resume": {"ids": ["task_id"]},
    "/tasks/batch/delete": {"ids": ["task_id"]},
    "/tasks/{task_id}/start": None,
    "/tasks/{task_id}/stop": None,
    "/tasks/{task_id}/pause": {"reason": "why"},
    "/tasks/{task_id}/resume": None,
    "/tasks/{task_id}/reorder": {"priority_offset": 60},
    "/schedules": {"name": "again", "interval": 60, "account_id": "b"},
    "/schedules/{schedule_id}/pause": None,
    "/schedules/{schedule_id}/resume": None,
    "/schedules/{schedule_id}/reorder": {"priority_offset": 60},
    "/schedules/{schedule_id}/run": None,
    "/queues": {"name": "new"},
    "/queues/{name}/pause": {"reason": "why"},
    "/queues/{name}/resume": None,
    "/dispatcher/start": None,
    "/dispatcher/stop": {"reason": "why"},
}
REFUSED_FIRST = {"/tasks/{task_id}/stop"}
"""What cannot be done to a paused task."""


def test_every_post_has_a_body_here() -> None:
    posts = {
        route.path_format.replace(":number", "")
        for route in app.routes
        if isinstance(route, GuardedRoute) and route.takes_keys and "POST" in (route.methods or ())
    }

    assert posts == POSTS.keys()


@pytest.mark.parametrize("path", POSTS.keys() - REFUSED_FIRST)
def test_every_post_is_done_once_and_answered_alike(
    client: TestClient, engine: Engine, path: str
) -> None:
    numbers = prepared(client, engine)
    body: Any = POSTS[path]
    if path.startswith("/tasks/batch/"):
        body = {"ids": [numbers["task_id"]]}
    address = path.format_map(numbers | {"name": "default"})

    try:
        first = client.post(address, json=body, headers=KEY)
        before = snapshot(engine)
        again = client.post(address, json=body, headers=KEY)
        assert snapshot(engine) == before
    finally:
        client.post("/dispatcher/start")

    assert first.status_code in {200, 201}, first.text
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for name in ("content-type", "location", "etag"):
        assert again.headers.get(name) == first.headers.get(name)


def snapshot(engine: Engine) -> list[Any]:
    """Return what a request might change."""
    tables = ("tasks", "task_events", "schedules", "queues", "settings", "idempotency_keys")
    return [rows(engine, f"SELECT * FROM {table}") for table in tables]


def test_twenty_at_once_make_one_task(client: TestClient, engine: Engine) -> None:
    with ThreadPoolExecutor(20) as pool:
        requests = [
            pool.submit(client.post, "/tasks", json={"title": "a"}, headers=KEY) for _ in range(20)
        ]
    responses = [request.result() for request in requests]

    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    replayed = [response.headers.get("idempotency-replayed") for response in responses]
    assert replayed.count(None) == 1
    assert len(rows(engine, "SELECT id FROM tasks")) == 1


def test_twenty_at_once_that_are_refused_are_all_refused(
    client: TestClient, engine: Engine
) -> None:
    create(client, unique_key="k")
    with ThreadPoolExecutor(20) as pool:
        requests = [
            pool.submit(client.post, "/tasks", json={"title": "a", "unique_key": "k"}, headers=KEY)
            for _ in range(20)
        ]
    for request in requests:
        problem(request.result(), 409, "unique_key_taken")
    assert stored(engine) == []


def test_another_request_under_the_same_key_is_refused(client: TestClient, engine: Engine) -> None:
    client.post("/tasks", json={"title": "a"}, headers=KEY)

    problem(client.post("/tasks", json={"title": "b"}, headers=KEY), 422, "idempotency_key_reused")
    problem(client.post("/queues", json={"name": "a"}, headers=KEY), 422, "idempotency_key_reused")
    assert len(rows(engine, "SELECT id FROM tasks")) == 1


def test_a_request_waits_for_the_first_one(client: TestClient, engine: Engine) -> None:
    other = idempotency.KeyedRequest(KEY["idempotency-key"], "local", "f" * 64)
    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as connection:
            assert idempotency.begin(connection, other) is None
            request = pool.submit(client.post, "/tasks", json={"title": "a"}, headers=KEY)
            response = request.result()
            problem(response, 409, "idempotency_key_in_use")
            assert response.headers["retry-after"] == "1"

            request = pool.submit(client.post, "/tasks", json={"title": "a"}, headers=KEY)
            wait_for_a_waiter(engine)
            connection.rollback()  # the first one is refused in the end
        assert request.result().status_code == 201


def wait_for_a_waiter(engine: Engine) -> None:
    """Wait until some session waits for a key."""
    waiting = """SELECT 1 FROM information_schema.processlist
        WHERE info LIKE 'INSERT INTO idempotency_keys%%'"""
    wait_for(lambda: rows(engine, waiting))


def test_a_refusal_is_not_kept(client: TestClient, engine: Engine) -> None:
    task = create(client, unique_key="k")
    body = {"title": "a", "unique_key": "k"}

    problem(client.post("/tasks", json=body, headers=KEY), 409, "unique_key_taken")
    problem(client.post("/tasks", json={"title": ""}, headers=KEY), 422, "invalid")
    assert stored(engine) == []

    client.delete(f"/tasks/{task['id']}")
    assert client.post("/tasks", json=body, headers=KEY).status_code == 201


def test_a_dry_run_uses_no_key_up(client: TestClient, engine: Engine) -> None:
    make(engine)
    dry = {"filter": {"queue": "default"}, "dry_run": True}

    for _ in range(2):
        assert client.post("/tasks/batch/stop", json=dry, headers=KEY).json()["requested"] == 1

    assert stored(engine) == []
    assert client.post("/tasks/batch/stop", json=dry | {"dry_run": False}, headers=KEY).json()[
        "succeeded"
    ]


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "schlüssel", "键"])
def test_a_key_is_a_short_word_of_ascii(client: TestClient, engine: Engine, key: str) -> None:
    headers = [(b"idempotency-key", key.encode())]
    response = client.post("/tasks", json={"title": "a"}, headers=headers)

    problem(response, 400, "idempotency_key_invalid")
    assert rows(engine, "SELECT id FROM tasks") == []


def test_a_key_is_sent_once(client: TestClient) -> None:
    headers = [(b"idempotency-key", b"a"), (b"idempotency-key", b"b")]

    response = client.post("/tasks", json={"title": "a"}, headers=headers)

    problem(response, 400, "idempotency_key_invalid")


@pytest.mark.parametrize("key", ["x" * 255, '"quoted"', "a-1_2.3~:/+="])
def test_a_key_may_be_any_word(client: TestClient, key: str) -> None:
    headers = {"idempotency-key": key}

    for _ in range(2):
        response = client.post("/tasks", json={"title": "a"}, headers=headers)
        assert response.status_code == 201
    assert response.headers["idempotency-replayed"] == "true"


def test_keys_that_differ_in_case_are_two(client: TestClient, engine: Engine) -> None:
    for key in ("a", "A"):
        client.post("/tasks", json={"title": "a"}, headers={"idempotency-key": key})

    assert len(stored(engine)) == 2


def test_an_answer_is_kept_for_a_day(client: TestClient, engine: Engine) -> None:
    client.post("/tasks", json={"title": "a"}, headers=KEY)

    age(engine, 24 * 60 - 5)
    again = client.post("/tasks", json={"title": "a"}, headers=KEY)
    age(engine, 10)
    anew = client.post("/tasks", json={"title": "other"}, headers=KEY)

    assert again.headers["idempotency-replayed"] == "true"
    assert anew.status_code == 201
    assert anew.json()["title"] == "other"
    assert len(stored(engine)) == 1
    replayed = client.post("/tasks", json={"title": "other"}, headers=KEY)
    assert replayed.json() == anew.json()


def test_old_answers_are_pruned_in_pages(client: TestClient, engine: Engine) -> None:
    for key in "abc":
        client.post("/tasks", json={"title": "a"}, headers={"idempotency-key": key})
    age(engine, 25 * 60)
    client.post("/tasks", json={"title": "a"}, headers=KEY)

    counts = []
    for _ in range(3):
        with transaction(engine) as connection:
            counts.append(idempotency.prune(connection, 2))

    assert counts == [2, 1, 0]
    assert [each["key"] for each in stored(engine)] == [KEY["idempotency-key"]]


def test_an_answer_that_is_too_large_is_refused_and_nothing_done(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "ANSWER_BYTES", 1_000)
    monkeypatch.setattr(keys, "ANSWER_BYTES", 1_000)
    body = {"title": "a", "payload": "x" * 1_000}

    response = client.post("/tasks", json=body, headers=KEY)

    assert "1000" in problem(response, 413, "idempotent_answer_too_large")["detail"]
    assert rows(engine, "SELECT id FROM tasks") == []
    assert client.post("/tasks", json=body).status_code == 201


def test_what_was_answered_is_kept_to_the_letter(client: TestClient) -> None:
    body = {"title": "任务 🚀 \\ \" '%s", "payload": {"a": "\u2028\x7f"}}

    first = client.post("/api/v1/tasks", json=body, headers=KEY)
    again = client.post("/api/v1/tasks", json=body, headers=KEY)

    assert again.content == first.content
    assert again.headers["location"].startswith("/api/v1/tasks/")


def test_keys_of_two_tokens_do_not_meet(engine: Engine, database_url: str) -> None:
    chosen = Settings(database_url=database_url, client_tokens="a,b")
    with local_client(build(lambda: chosen)) as client:
        ids = set()
        for token in "aabb":
            headers = KEY | {"authorization": f"Bearer {token}"}
            ids.add(client.post("/tasks", json={"title": "a"}, headers=headers).json()["id"])

    principals = [each["principal"] for each in stored(engine)]
    assert (len(ids), len(set(principals))) == (2, 2)
    assert not {"a", "b"} & set(principals)


@pytest.fixture
def way(engine: Engine, database_url: str) -> Iterator[Proxy]:  # noqa: ARG001  # empties the tables
    """The way to the database, which the test may close."""
    with proxy(database_url) as opened:
        yield opened


def test_a_commit_without_an_answer_can_be_sent_again(engine: Engine, way: Proxy) -> None:
    with local_client(build(lambda: Settings(database_url=way.url))) as client:
        client.post("/tasks", json={"title": "a"}, headers={"idempotency-key": "another"})
        way.break_at = b"COMMIT"
        problem(client.post("/tasks", json={"title": "once"}, headers=KEY), 503, "outcome_unknown")

        again = wait_for(lambda: _accepted(client))

    assert again is not None
    assert again.headers["idempotency-replayed"] == "true"
    (task,) = rows(engine, "SELECT id FROM tasks WHERE title = 'once'")
    assert again.json()["id"] == task["id"]


def _accepted(client: TestClient) -> Response | None:
    response = client.post("/tasks", json={"title": "once"}, headers=KEY)
    return response if response.status_code == 201 else None
