"""callback_url over HTTP, and the callbacks that come of it."""

from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api.main import build
from schema.limits import CALLBACK_RETRY_SECONDS
from schema.runtime.settings import Settings
from tests.api.conftest import CALLBACK_SECRET
from tests.api.requests import create, faults, listed, local_client, problem
from tests.rows import change, claim, succeed

URL = "https://receiver.example/hook?token=x"


def callback(client: TestClient, **fields: Any) -> tuple[int, dict[str, Any]]:
    """Return a task that was stopped, and its callback."""
    task_id = create(client, callback_url=URL, **fields)["id"]
    client.post(f"/tasks/{task_id}/stop")
    (callback_id,) = listed(client, f"callback_of={task_id}")
    found: dict[str, Any] = client.get(f"/tasks/{callback_id}").json()
    return task_id, found


def test_a_callback_is_listed_and_sent_again_when_asked(client: TestClient, engine: Engine) -> None:
    task_id, made = callback(client)

    assert (made["queue"], made["task_type"]) == ("callbacks", "callback")
    assert (made["callback_of"], made["callback_url"]) == (task_id, None)
    assert made["retry_limit"] == len(CALLBACK_RETRY_SECONDS)
    shown = made["payload"]["event"]["data"]
    kept = client.get("/tasks").json()[0]
    assert shown == kept

    change(engine, made["id"], "status = 'failed', finished_at = UTC_TIMESTAMP(6)")
    started = client.post(f"/tasks/{made['id']}/start").json()

    assert started["status"] == "to_do"
    assert started["payload"] == made["payload"]


def test_lists_totals_and_the_dispatcher_leave_callbacks_out(
    client: TestClient, engine: Engine
) -> None:
    task_id, made = callback(client)

    assert listed(client) == [task_id]
    assert listed(client, "status=to_do") == []
    assert listed(client, "queue=callbacks") == [made["id"]]
    assert client.get("/tasks?include_total=true").headers["x-total-count"] == "1"
    assert client.get("/tasks?queue=callbacks&include_total=true").headers["x-total-count"] == "1"
    claim(engine, queues=["callbacks"])
    assert client.get("/dispatcher/status").json()["running_tasks"] == 0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.org/", "https:// or http://"),
        ("example.org", "https:// or http://"),
        ("https://me:pw@example.org/", "user name or password"),
        ("https://0x7f.0.0.1/", "usual form"),
        ("https://exa mple.org/", "must be a URL"),
        ("http://127.0.0.1/", "not public"),
        ("http://localhost:8000/", "not public"),
        ("http://[::1]/", "not public"),
        ("http://169.254.169.254/latest/meta-data/", "not public"),
        ("https://example.org/" + "x" * 2_048, "2048"),
        ("", "at least 1"),
        (7, "string"),
    ],
)
def test_a_callback_url_that_cannot_be_called_is_refused_everywhere(
    client: TestClient, url: Any, words: str
) -> None:
    task_id = create(client)["id"]
    schedule = {"name": "s", "callback_url": url}
    for response in (
        client.post("/tasks", json={"title": "t", "callback_url": url}),
        client.patch(f"/tasks/{task_id}", json={"callback_url": url}),
        client.post("/schedules", json=schedule),
    ):
        assert words in faults(response)["/callback_url"]
    batch = client.post("/tasks/batch", json={"tasks": [{"title": "t", "callback_url": url}]})
    assert words in faults(batch)["/tasks/0/callback_url"]
    part = {"partial": True, "tasks": [{"title": "t", "callback_url": url}, {"title": "u"}]}
    (refused,) = client.post("/tasks/batch", json=part).json()["failed"]
    assert (refused["index"], refused["code"]) == (0, "invalid")


def test_a_schedule_gives_its_tasks_its_callback_url(client: TestClient) -> None:
    made = client.post("/schedules", json={"name": "s", "callback_url": URL}).json()
    assert made["callback_url"] == URL

    task = client.post(f"/schedules/{made['id']}/run").json()
    assert task["callback_url"] == URL

    changed = client.patch(f"/schedules/{made['id']}", json={"callback_url": None}).json()
    assert changed["callback_url"] is None


@pytest.mark.parametrize("name", [{"queue": "callbacks"}, {"task_type": "callback"}])
def test_clients_make_no_callbacks_themselves(client: TestClient, name: dict[str, str]) -> None:
    (field,) = name
    for path in ("/tasks", "/schedules"):
        response = client.post(path, json={"title": "t", **name})
        assert "the system's own" in faults(response)[f"/{field}"]


def test_nobody_changes_what_is_signed(client: TestClient) -> None:
    _, made = callback(client)
    path = f"/tasks/{made['id']}"

    response = client.patch(path, json={"payload": {"url": "https://evil.example/"}})

    problem(response, 409, "callback_is_fixed")
    assert client.get(path).json()["payload"] == made["payload"]
    assert client.delete(path).status_code == 204


def test_workers_over_http_are_given_callbacks_by_name_only(client: TestClient) -> None:
    _, made = callback(client)
    asked = {"worker_id": "w1", "slots": 5}

    assert client.post("/claims", json=asked | {"queues": ["*"]}).json() == []
    (task,) = client.post("/claims", json=asked | {"queues": ["callbacks"]}).json()
    assert task["id"] == made["id"]


def test_a_settlement_over_http_makes_the_callback(client: TestClient) -> None:
    task_id = create(client, callback_url=URL)["id"]
    (task,) = client.post("/claims", json={"worker_id": "w1", "queues": ["*"]}).json()
    settlement = {"id": task["id"], "fence": task["fence"], "outcome": "succeeded"}

    client.post("/settlements", json={"worker_id": "w1", "settlements": [settlement]})

    assert len(listed(client, f"callback_of={task_id}")) == 1


def test_a_task_that_has_ended_takes_no_callback_any_more(
    client: TestClient, engine: Engine
) -> None:
    task_id = create(client)["id"]
    succeed(engine, *claim(engine))

    assert client.patch(f"/tasks/{task_id}", json={"callback_url": URL}).status_code == 200

    assert listed(client, f"callback_of={task_id}") == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_a_secret_a_callback_url_is_refused_with_what_to_set(
    engine: Engine,  # noqa: ARG001  # empties the tables
    database_url: str,
    language: str,
) -> None:
    with local_client(build(lambda: Settings(database_url=database_url))) as client:
        client.headers["accept-language"] = language
        response = client.post("/tasks", json={"title": "t", "callback_url": URL})

        assert "CALLBACK_SECRET" in faults(response)["/callback_url"]
        assert create(client)["callback_url"] is None


def test_a_private_host_that_is_opened_may_be_called(
    engine: Engine,  # noqa: ARG001  # empties the tables
    database_url: str,
) -> None:
    chosen = Settings(
        database_url=database_url,
        callback_secret=CALLBACK_SECRET,
        http_allow_hosts="127.0.0.1:9000",
    )
    with local_client(build(lambda: chosen)) as client:
        assert create(client, callback_url="http://127.0.0.1:9000/")["callback_url"]
        refused = client.post("/tasks", json={"title": "t", "callback_url": "http://127.0.0.1/"})
        assert "/callback_url" in faults(refused)
