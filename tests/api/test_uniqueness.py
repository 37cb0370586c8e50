"""unique_key over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from httpx2 import Response
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.api.requests import create, problem
from tests.rows import rows

AT_ONCE = 50


def test_a_taken_key_is_a_conflict_that_names_the_task(client: TestClient) -> None:
    first = create(client, unique_key="k")

    refused = problem(
        client.post("/tasks", json={"title": "b", "unique_key": "k"}), 409, "unique_key_taken"
    )

    assert refused["existing_id"] == first["id"]
    assert str(first["id"]) in refused["detail"]


def test_the_task_that_has_the_key_is_returned_where_that_is_asked_for(client: TestClient) -> None:
    first = create(client, unique_key="k", payload={"a": 1})

    response = client.post(
        "/api/tasks", json={"title": "b", "unique_key": "k", "on_conflict": "return"}
    )

    assert (response.status_code, response.json()) == (200, first)
    assert response.headers["location"] == f"/api/tasks/{first['id']}"


def test_a_key_that_is_free_is_taken_whatever_is_asked_for(client: TestClient) -> None:
    assert create(client, unique_key="k", on_conflict="return")["unique_key"] == "k"


def test_a_refusal_in_chinese(client: TestClient) -> None:
    first = create(client, unique_key="k")

    response = client.post(
        "/tasks", json={"title": "b", "unique_key": "k"}, headers={"accept-language": "zh"}
    )

    assert response.json()["detail"] == f"未结束的任务 {first['id']} 已占用同一 unique_key。"


@pytest.mark.parametrize("on_conflict", ["reject", "return"])
def test_of_fifty_creates_at_once_one_creates(
    client: TestClient, engine: Engine, on_conflict: str
) -> None:
    barrier = Barrier(AT_ONCE)

    def post(number: int) -> Response:
        barrier.wait()
        body = {"title": f"{number}", "unique_key": "k", "on_conflict": on_conflict, "tags": ["x"]}
        return client.post("/tasks", json=body)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(post, range(AT_ONCE)))

    (only,) = rows(engine, "SELECT id FROM tasks")
    others = [answer for answer in answers if answer.status_code != 201]
    assert len(others) == AT_ONCE - 1
    for answer in others:
        if on_conflict == "return":
            assert (answer.status_code, answer.json()["id"]) == (200, only["id"])
        else:
            assert problem(answer, 409, "unique_key_taken")["existing_id"] == only["id"]


def test_a_start_whose_key_lives_elsewhere_is_a_conflict(client: TestClient) -> None:
    first = create(client, unique_key="k")
    client.post(f"/tasks/{first['id']}/stop")
    second = create(client, unique_key="k")

    refused = problem(client.post(f"/tasks/{first['id']}/start"), 409, "unique_key_taken")

    assert refused["existing_id"] == second["id"]
    assert refused["current_state"] == "STOPPED"
    assert refused["allowed_actions"] == ["start", "delete"]
