"""Texts in every field that takes one: kept to the letter, never run, one line in the log."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.process import api_process
from tests.api.requests import create, listed

TEXTS = [
    "任务 👩‍👩‍👧‍👦",
    "é e\u0301 ﬀ ß",
    "שלום \u202eabc\u200d",
    "a",
    "' OR 1=1; DROP TABLE tasks; -- %s %(x)s",
    '$(reboot) `reboot` "; reboot',
    "<img src=x onerror=alert(1)>",
    "\\ \\' \\0 \\x00",
]

LOOKALIKES = ["a", "A", "á", "a\u0301", "ａ", "å", "ss", "ß", "SS", "ﬀ", "ff", "😀", "😁"]


def told(client: TestClient, method: str, path: str, body: Any = None) -> Any:
    """Return what a request that is done answers."""
    response = client.request(method, path, json=body)
    assert response.is_success, response.text
    return response.json()


def running(client: TestClient, text: str) -> dict[str, Any]:
    """Claim a new task as a worker whose host is called so."""
    create(client)
    order = {"worker_id": "w", "host": text, "version": text[:64]}
    (task,) = told(client, "POST", "/claims", order)
    return {"id": task["id"], "fence": task["fence"]}


@pytest.mark.parametrize("text", [*TEXTS, " a ", "line\r\nline\u2028\x1b[2J"])
def test_what_people_say_is_kept_to_the_letter(client: TestClient, text: str) -> None:
    task_id = create(client, title=text, description=text, payload={text: text})["id"]
    told(client, "POST", f"/tasks/{task_id}/pause", {"reason": text})
    (event,) = told(client, "GET", f"/tasks/{task_id}/events")
    edited = told(client, "PATCH", f"/tasks/{task_id}", {"title": text, "description": text})
    assert (edited["title"], edited["description"]) == (text, text)
    assert (event["reason"], edited["payload"]) == (text, {text: text})

    told(client, "PATCH", "/queues/default", {"description": text})
    queue = told(client, "POST", "/queues/default/pause", {"reason": text})
    assert (queue["description"], queue["paused_reason"]) == (text, text)

    assert told(client, "POST", "/dispatcher/stop", {"reason": text})["reason"] == text
    assert told(client, "POST", "/dispatcher/start", {"reason": text})["reason"] == text

    schedule = {"name": text, "title": "x", "description": text, "payload": text}
    made = told(client, "POST", "/schedules", schedule)
    assert schedule.items() <= made.items()


@pytest.mark.parametrize("text", [*TEXTS, " a ", "line\r\nline\u2028\x1b[2J"])
def test_what_workers_say_is_kept_to_the_letter(client: TestClient, text: str) -> None:
    lease = running(client, text)
    (worker,) = told(client, "GET", "/workers")
    assert (worker["host"], worker["version"]) == (text, text[:64])

    report = lease | {"message": text, "percent": 1, "checkpoint": {text: text}}
    told(client, "POST", "/heartbeats", {"worker_id": "w", "tasks": [report]})
    task = told(client, "GET", f"/tasks/{lease['id']}")
    assert (task["progress"]["message"], task["checkpoint"]) == (text, {text: text})

    how = {"outcome": "failed", "message": text, "error_class": text, "traceback": text}
    ends = {"worker_id": "w", "settlements": [lease | how | {"for_good": True}]}
    assert told(client, "POST", "/settlements", ends)[0]["answer"] == "taken"
    (attempt,) = told(client, "GET", f"/tasks/{lease['id']}/attempts")
    assert (attempt["message"], attempt["error_class"], attempt["traceback"]) == (text,) * 3
    found = client.get("/tasks", params={"error_class": text}).json()
    assert [each["id"] for each in found] == [lease["id"]]


@pytest.mark.parametrize("text", TEXTS)
def test_names_that_people_choose_find_what_has_them(client: TestClient, text: str) -> None:
    task = create(client, tags=[text], account_id=text, unique_key=text)

    assert (task["tags"], task["account_id"], task["unique_key"]) == ([text], text, text)
    query = {"tag": text, "account_id": text}
    assert [each["id"] for each in client.get("/tasks", params=query).json()] == [task["id"]]
    assert told(client, "GET", "/tags") == [{"name": text, "count": 1}]


def test_names_that_look_alike_are_not_alike(client: TestClient) -> None:
    for name in LOOKALIKES:
        create(client, tags=[name], account_id=name, unique_key=name)

    assert {tag["count"] for tag in told(client, "GET", "/tags")} == {1}
    assert len(told(client, "GET", "/tags")) == len(LOOKALIKES)
    for name in LOOKALIKES:
        (found,) = client.get("/tasks", params={"account_id": name}).json()
        assert found["tags"] == [name]
    assert len(listed(client)) == len(LOOKALIKES)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("form", ["json", "text"])
def test_what_people_say_is_one_line_in_the_log(database_url: str, form: str) -> None:
    reasons = ["a\nqueue resumed", "\x1b[2J\x1b[31m", "\r", "\u2028\u0085\x0b", "'\"{x}%s"]
    with api_process(database_url, LOG_FORMAT=form) as api:
        api.wait_until_up("/readyz")
        api.client.post("/queues", json={"name": "q"})
        for reason in reasons:
            api.client.post("/queues/q/pause", json={"reason": reason})
            api.client.get(f"/tasks/%1b%0a{len(reason)}", headers={"x-request-id": "a\x1bb"})
        api.end()

    assert "\x1b" not in api.stdout
    lines = [line for line in api.stdout.splitlines() if "queue paused" in line]
    assert len(lines) == len(reasons)
    assert not [line for line in api.stdout.splitlines() if line.startswith("queue resumed")]
