"""GET /tags, and PATCH and DELETE of one."""

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api import tags as routes
from schema import tags
from tests.api.requests import create, faults, listed, problem
from tests.rows import make


def test_tags_are_listed_with_counts_page_by_page(client: TestClient) -> None:
    create(client, tags=["b", "标 签"])
    create(client, tags=["b", "a"])

    assert client.get("/tags").json() == [
        {"name": "a", "count": 1},
        {"name": "b", "count": 2},
        {"name": "标 签", "count": 1},
    ]
    first = client.get("/api/tags?limit=2&include_total=true")
    assert first.headers["x-total-count"] == "3"
    assert first.links["next"]["url"].startswith("/api/tags?")
    rest = client.get(first.links["next"]["url"])
    assert [tag["name"] for tag in rest.json()] == ["标 签"]
    assert "next" not in rest.links


def test_a_tag_is_renamed_in_all_its_tasks(client: TestClient) -> None:
    task = create(client, tags=["a/b", "c"])

    response = client.patch("/tags/a%2Fb", json={"name": "标"})

    assert (response.status_code, response.json()) == (200, {"name": "标", "count": 1})
    renamed = client.get(f"/tasks/{task['id']}").json()
    assert renamed["tags"] == ["c", "标"]
    assert renamed["version"] == task["version"] + 1
    assert listed(client, "tag=标") == [task["id"]]
    assert listed(client, "tag=a/b") == []


def test_a_name_that_is_taken_is_a_conflict(client: TestClient) -> None:
    task = create(client, tags=["a", "b"])

    problem(client.patch("/tags/a", json={"name": "b"}), 409, "tag_exists")

    assert client.get(f"/tasks/{task['id']}").json() == task


def test_a_deleted_tag_is_taken_from_its_tasks(client: TestClient) -> None:
    task = create(client, tags=["a", "b"])

    assert client.delete("/tags/a").status_code == 204

    left = client.get(f"/tasks/{task['id']}").json()
    assert (left["tags"], left["version"]) == (["b"], task["version"] + 1)
    problem(client.delete("/tags/a"), 404, "tag_not_found")
    problem(client.patch("/tags/a", json={"name": "c"}), 404, "tag_not_found")


def test_a_tag_of_very_many_tasks_is_deleted_by_several_requests(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "PAGE", 1)
    monkeypatch.setattr(routes, "MOST_PAGES", 3)
    make(engine, 4, tags=["a"])

    assert client.patch("/tags/a", json={"name": "b"}).json() == {"name": "b", "count": 4}
    refused = client.delete("/tags/b")
    problem(refused, 503, "tag_large")
    assert refused.headers["retry-after"] == "0"
    assert client.get("/tags").json() == [{"name": "b", "count": 1}]
    assert client.delete("/tags/b").status_code == 204


@pytest.mark.parametrize("name", ["", " a", "a\n", "a" * 101, None, 5])
def test_a_name_that_no_task_may_have_is_refused(client: TestClient, name: object) -> None:
    create(client, tags=["a"])

    assert list(faults(client.patch("/tags/a", json={"name": name}))) == ["/name"]
