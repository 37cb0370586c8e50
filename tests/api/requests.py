"""What several tests ask of the API."""

from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient
from starlette.types import ASGIApp

HERE = "http://127.0.0.1"
"""Where a client on the same machine finds the API."""


def local_client(application: ASGIApp, address: str = "127.0.0.1") -> TestClient:
    """Return a client on this machine, which needs no token where none are set."""
    return TestClient(application, base_url=HERE, client=(address, 50_000))


def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    """Create a task and return it."""
    response = client.post("/tasks", json={"title": "a task"} | fields)
    assert response.status_code == 201, response.text
    task: dict[str, Any] = response.json()
    return task


def listed(client: TestClient, query: str = "") -> list[int]:
    """Return the ids of a list."""
    response = client.get(f"/tasks?{query}")
    assert response.status_code == 200, response.text
    return [task["id"] for task in response.json()]


def problem(response: Response, status: int, code: str) -> dict[str, Any]:
    """Return the problem of a response after checking that it is one, whole and harmless."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "instance", "code"} <= document.keys()
    assert (document["status"], document["code"]) == (status, code), document
    for leak in ("Traceback", "SELECT ", "INSERT ", "sqlalchemy", "pymysql", "asyncmy"):
        assert leak not in response.text
    return document


def faults(response: Response) -> dict[str, str]:
    """Return what a 422 says, by pointer."""
    code = response.json().get("code")
    document = problem(response, 422, code)
    assert code in {"invalid", "invalid_body"}
    return {error["pointer"]: error["detail"] for error in document["errors"]}
