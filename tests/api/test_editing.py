"""PATCH and DELETE of /tasks/{id}."""

from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from schema.tasks import EDITABLE
from tests.api.requests import create, faults, problem
from tests.rows import claim, make, row, rows, succeed

CHANGES: dict[str, Any] = {
    "title": "新标题",
    "description": "other",
    "priority": "低",
    "tags": ["new", "二"],
    "due_date": "2031-01-01T00:00:00Z",
    "timeout_seconds": 5,
    "retry_limit": 9,
    "payload": {"b": [2]},
    "account_id": "b",
    "callback_url": "https://example.org/b",
}


def test_every_editable_field_can_be_changed_by_itself(client: TestClient) -> None:
    task = create(client, tags=["old"], payload={"a": 1}, account_id="a")
    assert CHANGES.keys() == EDITABLE

    for name, value in CHANGES.items():
        changed = client.patch(f"/tasks/{task['id']}", json={name: value}).json()
        moving = {"updated_at": changed["updated_at"], "version": task["version"] + 1}
        assert changed == task | moving | {name: value}
        task = changed


def test_all_fields_can_be_changed_at_once(client: TestClient) -> None:
    task = create(client)

    response = client.patch(f"/tasks/{task['id']}", json=CHANGES)

    assert response.status_code == 200
    assert response.json() == client.get(f"/tasks/{task['id']}").json()
    assert response.json() | CHANGES == response.json()


@pytest.mark.parametrize("name", ["description", "due_date", "payload", "account_id"])
def test_null_takes_a_value_away_where_there_need_not_be_one(client: TestClient, name: str) -> None:
    task = create(client, **CHANGES)

    assert client.patch(f"/tasks/{task['id']}", json={name: None}).json()[name] is None


@pytest.mark.parametrize("name", ["title", "priority", "tags", "timeout_seconds", "retry_limit"])
def test_null_is_refused_where_there_must_be_a_value(client: TestClient, name: str) -> None:
    task = create(client)

    assert list(faults(client.patch(f"/tasks/{task['id']}", json={name: None}))) == [f"/{name}"]


def test_english_priorities_are_taken(client: TestClient) -> None:
    task = create(client)

    assert (
        client.patch(f"/tasks/{task['id']}", json={"priority": "high"}).json()["priority"] == "高"
    )


def test_an_empty_change_changes_nothing(client: TestClient) -> None:
    task = create(client)

    assert client.patch(f"/tasks/{task['id']}", json={}).json() == task


def test_a_status_in_a_patch_is_refused_and_says_why(client: TestClient, engine: Engine) -> None:
    task = create(client)

    response = client.patch(f"/tasks/{task['id']}", json={"title": "x", "status": "done"})

    assert "the system" in faults(response)["/status"]
    assert row(engine, task["id"])["title"] == "a task"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("queue", "cannot be changed later"),
        ("task_type", "cannot be changed later"),
        ("available_at", "cannot be changed later"),
        ("hold", "cannot be changed later"),
        ("fence", "the system sets"),
        ("id", "the system sets"),
        ("result", "the system sets"),
        ("colour", "no such field"),
    ],
)
def test_a_field_that_cannot_be_changed_says_why(client: TestClient, name: str, why: str) -> None:
    task = create(client)

    response = client.patch(f"/tasks/{task['id']}", json={name: 1})

    assert why in faults(response)[f"/{name}"]


@pytest.mark.parametrize(
    "fields", [{"title": ""}, {"tags": ["a "]}, {"payload": 2**64}, {"retry_limit": "1"}]
)
def test_a_change_is_checked_like_a_creation(client: TestClient, fields: dict[str, Any]) -> None:
    task = create(client)

    response = client.patch(f"/tasks/{task['id']}", json=fields)

    assert faults(response)
    assert client.get(f"/tasks/{task['id']}").json() == task


def test_a_change_does_not_touch_a_running_lease(client: TestClient, engine: Engine) -> None:
    (task_id,) = make(engine)
    claim(engine)
    before = row(engine, task_id)

    response = client.patch(f"/tasks/{task_id}", json={"timeout_seconds": 5})

    assert response.json()["status"] == "in_progress"
    after = row(engine, task_id)
    assert after["lease_expires_at"] == before["lease_expires_at"]
    assert after["fence"] == before["fence"]


def test_a_deleted_task_is_gone(client: TestClient, engine: Engine) -> None:
    task = create(client, tags=["t"], payload=1)
    path = f"/tasks/{task['id']}"

    response = client.delete(path)

    assert (response.status_code, response.content) == (204, b"")
    problem(client.get(path), 404, "task_not_found")
    problem(client.delete(path), 404, "task_not_found")
    problem(client.patch(path, json={"title": "x"}), 404, "task_not_found")
    problem(client.patch(path, json={}), 404, "task_not_found")
    assert rows(engine, "SELECT * FROM task_tags") == rows(engine, "SELECT * FROM task_payloads")


def test_a_running_task_is_gone_for_readers_until_its_attempt_ends(
    client: TestClient, engine: Engine
) -> None:
    (task_id,) = make(engine)
    (claimed,) = claim(engine)

    assert client.delete(f"/tasks/{task_id}").status_code == 204

    problem(client.get(f"/tasks/{task_id}"), 404, "task_not_found")
    problem(client.delete(f"/tasks/{task_id}"), 404, "task_not_found")
    assert row(engine, task_id)["stop_requested_at"] is not None
    succeed(engine, claimed)
    assert row(engine, task_id) == {}
