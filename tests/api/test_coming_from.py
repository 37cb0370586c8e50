"""Every row of docs/coming-from.md works as it stands."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.testclient import TestClient

from tests.api.requests import create

PAGE = Path(__file__).parent.parent.parent / "docs" / "coming-from.md"

ROW = re.compile(r"\| (?:`(.+?)` )?\| `([A-Z]+) (/\S+)`(?: `(\{.*\})`)? \| (\d+) \| .* \|")

THEIRS = {
    "GET /api/v1/health",
    "GET /api/v1/dispatcher/status",
    "POST /api/v1/dispatcher/start",
    "POST /api/v1/dispatcher/stop",
    "POST /api/v1/tasks/",
    "GET /api/v1/tasks/",
    "GET /api/v1/tasks/{task_id}",
    "DELETE /api/v1/tasks/{task_id}",
    "POST /api/v1/tasks/{task_id}/pause",
    "POST /api/v1/tasks/{task_id}/resume",
    "POST /api/v1/tasks/{task_id}/reorder",
    "GET /api/v1/accounts/{account_id}/tasks",
    "GET /api/tasks",
    "POST /api/tasks/{id}/start",
    "POST /api/tasks/{id}/stop",
    "DELETE /api/tasks/{id}",
    "GET /api/tasks/{id}/status",
    "POST /api/tasks/batch/start",
    "POST /api/tasks/batch/stop",
    "DELETE /api/tasks/batch",
}
"""The endpoints of the two designs."""


class Call(NamedTuple):
    """A row: their call, ours, and the status that ours answers."""

    there: str | None
    method: str
    path: str
    body: str | None
    status: int


CALLS = [
    Call(there or None, method, path, body or None, int(status))
    for there, method, path, body, status in ROW.findall(PAGE.read_text())
]


@pytest.fixture
def known(client: TestClient) -> Iterator[dict[str, Any]]:
    """What the paths of the page speak of; afterwards the dispatcher runs."""
    schedule = {"name": "s", "title": "t", "task_type": "other", "account_id": "account_1"}
    response = client.post("/schedules", json=schedule | {"interval": 3600})
    assert response.status_code == 201, response.text
    yield {
        "schedule": response.json()["id"],
        "ready": create(client, hold=True)["id"],
        "waiting": create(client)["id"],
    }
    assert client.post("/dispatcher/start").json()["is_running"] is True


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_our_call_answers_as_the_page_says(
    client: TestClient, known: dict[str, Any], call: Call
) -> None:
    body = json.loads(call.body) if call.body else None
    if body and "ids" in body:
        is_start = call.path.endswith("/start")
        body["ids"] = [create(client, hold=is_start)["id"] for _ in body["ids"]]
    if call.path.endswith("/resume"):
        client.post(f"/schedules/{known['schedule']}/pause")

    response = client.request(call.method, call.path.format_map(known), json=body)

    assert response.status_code == call.status, response.text
    if body and "ids" in body:
        assert response.json()["succeeded"] == len(body["ids"])


def test_no_endpoint_of_theirs_is_left_out() -> None:
    assert {call.there for call in CALLS} - {None} == THEIRS
