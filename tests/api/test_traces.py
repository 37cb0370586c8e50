"""The trace of who creates a task goes with it."""

from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.rows import row

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FROM_THERE = {"traceparent": GIVEN}


def test_a_task_belongs_to_the_trace_that_its_request_came_with(
    engine: Engine, client: TestClient
) -> None:
    body = {"title": "a"}
    sent = client.post("/tasks", json=body, headers=FROM_THERE).json()
    [other] = client.post("/tasks/batch", json={"tasks": [body]}, headers=FROM_THERE).json()
    assert sent["traceparent"] == other["traceparent"] == GIVEN
    assert row(engine, sent["id"])["traceparent"] == GIVEN


def test_a_header_that_is_no_traceparent_is_left_out(client: TestClient) -> None:
    sent = client.post("/tasks", json={"title": "a"}, headers={"traceparent": "x"})
    assert (sent.status_code, sent.json()["traceparent"]) == (201, None)
