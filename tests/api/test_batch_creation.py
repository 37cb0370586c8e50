"""POST /tasks/batch."""

from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.api.requests import create, faults, problem
from tests.rows import rows


def post(client: TestClient, *tasks: Any, **more: Any) -> Response:
    return client.post("/tasks/batch", json={"tasks": tasks} | more)


def titles(engine: Engine) -> list[str]:
    return [each["title"] for each in rows(engine, "SELECT title FROM tasks ORDER BY id")]


def test_tasks_are_created_in_the_order_asked(client: TestClient, engine: Engine) -> None:
    response = post(
        client,
        {"title": "a", "tags": ["x"], "payload": {"n": 1}, "priority": "high"},
        {"title": "b", "hold": True},
        {"title": "c", "queue": "q", "unique_key": "k"},
    )

    assert response.status_code == 201
    created = response.json()
    assert [task["title"] for task in created] == ["a", "b", "c"]
    assert [task["state"] for task in created] == ["PENDING", "READY", "PENDING"]
    assert client.get("/tasks").json() == created[::-1]
    assert client.get(f"/tasks/{created[0]['id']}").json()["payload"] == {"n": 1}
    assert titles(engine) == ["a", "b", "c"]


def test_a_thousand_can_be_created_and_no_more(client: TestClient, engine: Engine) -> None:
    many = [{"title": f"{number}"} for number in range(1_001)]

    assert len(post(client, *many[:1_000]).json()) == 1_000
    assert list(faults(post(client, *many))) == ["/tasks"]
    assert titles(engine) == [each["title"] for each in many[:1_000]]


def test_all_or_none_are_created(client: TestClient, engine: Engine) -> None:
    response = post(
        client,
        {"title": "good"},
        {"title": ""},
        {"title": "x", "colour": "red", "payload": 2**64},
        5,
        {"title": "a", "unique_key": "k"},
        {"title": "b", "unique_key": "k"},
    )

    assert list(faults(response)) == [
        "/tasks/1/title",
        "/tasks/2/payload",
        "/tasks/2/colour",
        "/tasks/3",
        "/tasks/5/unique_key",
    ]
    assert titles(engine) == []


def test_a_field_that_the_system_sets_is_told_why(client: TestClient) -> None:
    told = faults(post(client, {"title": "a", "status": "done", "fence": 5}))

    assert "the system moves" in told["/tasks/0/status"]
    assert "the system sets" in told["/tasks/0/fence"]


def test_a_key_that_is_taken_refuses_all_and_is_told(client: TestClient, engine: Engine) -> None:
    first = create(client, unique_key="k", title="first")

    response = post(client, {"title": "a"}, {"title": "b", "unique_key": "k"})

    refused = problem(response, 409, "unique_key_taken")
    assert refused["existing_id"] == first["id"]
    (failed,) = refused["failed"]
    assert (failed["index"], failed["existing_id"]) == (1, first["id"])
    assert titles(engine) == ["first"]


def test_a_key_that_is_taken_may_mean_its_task(client: TestClient) -> None:
    first = create(client, unique_key="k", title="first")
    wanted = {"title": "b", "unique_key": "k", "on_conflict": "return"}
    new = {"title": "c", "unique_key": "new", "on_conflict": "return"}

    created = post(client, {"title": "a"}, wanted, new, new).json()

    assert [task["title"] for task in created] == ["a", "first", "c", "c"]
    assert created[1]["id"] == first["id"]
    assert created[2] == created[3]


class TestPartial:
    def test_the_good_ones_are_created_and_the_others_told(
        self, client: TestClient, engine: Engine
    ) -> None:
        first = create(client, unique_key="taken", title="first")
        asked = [
            {"title": "a"},
            {"title": "", "retry_limit": -1},
            {"title": "b", "unique_key": "k"},
            {"title": "c", "unique_key": "taken"},
            {"title": "d", "unique_key": "k"},
            {"title": "e", "unique_key": "taken", "on_conflict": "return"},
        ]

        response = post(client, *asked, partial=True)

        assert response.status_code == 201
        created, failed = response.json()["created"], response.json()["failed"]
        assert [task["title"] for task in created] == ["a", "b", "first"]
        assert [(each["index"], each["code"]) for each in failed] == [
            (1, "invalid"),
            (3, "unique_key_taken"),
            (4, "invalid"),
        ]
        assert [error["pointer"] for error in failed[0]["errors"]] == ["/title", "/retry_limit"]
        assert (failed[1]["existing_id"], "errors" in failed[1]) == (first["id"], False)
        assert "earlier task" in failed[2]["detail"]
        assert titles(engine) == ["first", "a", "b"]

    def test_none_may_be_good(self, client: TestClient, engine: Engine) -> None:
        response = post(client, {}, partial=True)

        assert (response.status_code, response.json()["created"]) == (201, [])
        assert titles(engine) == []

    def test_all_may_be_good(self, client: TestClient) -> None:
        response = post(client, {"title": "a"}, partial=True)

        assert (len(response.json()["created"]), response.json()["failed"]) == (1, [])

    def test_what_is_wrong_is_told_in_chinese_too(self, client: TestClient) -> None:
        client.headers["accept-language"] = "zh"

        (failed,) = post(client, {}, partial=True).json()["failed"]

        assert failed["detail"] == "请求内容无效：/title：必须提供"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/tasks"),
        ({"tasks": []}, "/tasks"),
        ({"tasks": {}}, "/tasks"),
        ({"tasks": [{"title": "a"}], "partial": 1}, "/partial"),
        ({"tasks": [{"title": "a"}], "dry_run": True}, "/dry_run"),
    ],
)
def test_a_body_that_is_no_batch_is_refused(client: TestClient, body: Any, pointer: str) -> None:
    assert list(faults(client.post("/tasks/batch", json=body))) == [pointer]


def test_a_batch_may_be_wider_than_a_task(client: TestClient) -> None:
    wide = {"title": "a", "payload": "x" * 200_000}

    assert post(client, *[wide] * 30).status_code == 201
    problem(post(client, *[wide] * 45), 413, "body_too_large")
