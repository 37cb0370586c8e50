"""One route, whatever the path looks like."""

import pytest
from starlette.testclient import TestClient

from tests.api.requests import HERE, create, problem

PREFIXES = ["", "/api", "/api/v1"]
SLASHES = ["", "/"]


@pytest.mark.parametrize("slash", SLASHES)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_route_works_under_every_prefix_and_with_a_slash(
    client: TestClient, prefix: str, slash: str
) -> None:
    created = client.post(f"{prefix}/tasks{slash}", json={"title": "a"}, follow_redirects=False)
    path = f"{prefix}/tasks/{created.json()['id']}"

    assert created.status_code == 201
    assert created.headers["location"] == path
    assert client.get(path + slash, follow_redirects=False).json() == created.json()
    assert client.patch(path + slash, json={"title": "b"}).json()["title"] == "b"
    assert len(client.get(f"{prefix}/tasks{slash}").json()) == 1
    assert client.delete(path + slash).status_code == 204
    for route in ("workers", "health", "livez", "readyz", "docs", "openapi.json"):
        assert client.get(f"{prefix}/{route}{slash}", follow_redirects=False).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/apitasks",
        "/api/v2/tasks",
        "/api/v1/api/tasks",
        "//tasks",
        "/tasks//",
        "/TASKS",
    ],
)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_other_paths_are_not_found(client: TestClient, prefix: str, path: str) -> None:
    response = client.get(f"{HERE}{prefix}{path}", follow_redirects=False)

    document = problem(response, 404, "not_found")
    assert document["instance"] == (prefix + path or "/")


@pytest.mark.parametrize(
    "task_id",
    [
        "0",
        "-1",
        "+1",
        "01",
        "1.0",
        "1e0",
        "abc",
        "%31%00",
        "１",
        "9223372036854775808",
        "9" * 5_000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_what_is_no_number_of_a_task_is_not_found(
    client: TestClient, method: str, task_id: str
) -> None:
    body = {"title": "x"} if method == "PATCH" else None

    problem(client.request(method, f"/tasks/{task_id}", json=body), 404, "not_found")


def test_the_largest_number_is_one(client: TestClient) -> None:
    problem(client.get(f"/tasks/{2**63 - 1}"), 404, "task_not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/tasks", "GET, HEAD, POST"),
        ("DELETE", "/api/tasks/", "GET, HEAD, POST"),
        ("POST", "/tasks/1", "DELETE, GET, HEAD, PATCH"),
        ("POST", "/health", "GET, HEAD"),
        ("OPTIONS", "/tasks", "GET, HEAD, POST"),
    ],
)
def test_another_method_is_told_which_there_are(
    client: TestClient, method: str, path: str, allow: str
) -> None:
    response = client.request(method, path)

    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == allow


def test_head_is_get_without_the_body(client: TestClient) -> None:
    task = create(client)

    response = client.head(f"/tasks/{task['id']}")

    assert response.status_code == 200
    assert int(response.headers["content-length"]) > 500
