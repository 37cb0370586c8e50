"""ETag, If-None-Match and If-Match."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.api.requests import create, problem
from tests.rows import change, claim, make, row, rows, succeed

VERBS = ("pause", "resume", "stop", "start")


def tag(client: TestClient, task_id: int) -> str:
    """Return the ETag of a task."""
    return client.get(f"/tasks/{task_id}").headers["etag"]


def test_every_answer_that_is_a_task_has_its_strong_tag(client: TestClient) -> None:
    created = client.post("/tasks", json={"title": "a", "tags": ["b"], "payload": 1})
    path = f"/tasks/{created.json()['id']}"
    assert client.get(path).headers["etag"] == created.headers["etag"]
    changed = client.patch(path, json={"title": "b"})
    paused = client.post(f"{path}/pause")

    assert re.fullmatch(r'"1-2[-0-9T:.]+"', created.headers["etag"])
    assert len({each.headers["etag"] for each in (created, changed, paused)}) == 3
    assert client.get(path).headers["etag"] == paused.headers["etag"]


@pytest.mark.parametrize("known", ["{tag}", "W/{tag}", '"x", {tag}', "*", '"x",{tag} , "y"'])
def test_what_the_client_has_is_not_sent_again(client: TestClient, known: str) -> None:
    (task_id,) = [create(client)["id"]]
    etag = tag(client, task_id)

    response = client.get(
        f"/tasks/{task_id}", headers={"if-none-match": known.replace("{tag}", etag)}
    )

    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == etag
    assert "content-type" not in response.headers


@pytest.mark.parametrize("known", ['"x"', "x", '""', "", "W/", '"1', "1-2"])
def test_what_the_client_does_not_have_is_sent(client: TestClient, known: str) -> None:
    task = create(client)

    response = client.get(f"/tasks/{task['id']}", headers={"if-none-match": known})

    assert response.json() == task


def test_a_change_in_sql_changes_the_tag(client: TestClient, engine: Engine) -> None:
    (task_id,) = make(engine)
    before = tag(client, task_id)

    change(engine, task_id, "title = 'by a DBA'")

    response = client.get(f"/tasks/{task_id}", headers={"if-none-match": before})
    assert response.json()["title"] == "by a DBA"


@pytest.mark.parametrize("path", ["/tasks", "/queues", "/dispatcher/status", "/tasks/{id}/events"])
def test_what_is_read_has_a_tag_as_long_as_it_is_the_same(
    client: TestClient, engine: Engine, path: str
) -> None:
    (task_id,) = make(engine)
    address = path.replace("{id}", str(task_id))
    etag = client.get(address).headers["etag"]
    if path == "/queues":  # its ages go on
        return

    assert client.get(address, headers={"if-none-match": etag}).status_code == 304

    client.post(f"/tasks/{task_id}/pause")
    client.post("/dispatcher/stop", json={"reason": "a test"})
    try:
        assert client.get(address, headers={"if-none-match": etag}).status_code == 200
    finally:
        client.post("/dispatcher/start")


def test_a_page_with_another_next_link_has_another_tag(client: TestClient, engine: Engine) -> None:
    make(engine, 1)

    short, full = client.get("/tasks?limit=2"), client.get("/tasks?limit=1")

    assert short.content == full.content
    assert short.headers["etag"] != full.headers["etag"]


def test_a_refusal_is_never_not_modified(client: TestClient) -> None:
    problem(client.get("/tasks/1", headers={"if-none-match": "*"}), 404, "task_not_found")


def send(client: TestClient, method: str, path: str, if_match: str) -> Any:
    """Send a change that holds for a version only."""
    body = {"to": "last"} if path.endswith("reorder") else None
    headers = {"if-match": if_match}
    return client.request(
        method, path, json={"title": "changed"} if method == "PATCH" else body, headers=headers
    )


CHANGES = [
    ("PATCH", ""),
    ("DELETE", ""),
    ("POST", "/pause"),
    ("POST", "/stop"),
    ("POST", "/reorder"),
]


@pytest.mark.parametrize(("method", "verb"), CHANGES)
@pytest.mark.parametrize("known", ["{tag}", '"x", {tag}', "*", '"1"'])
def test_a_change_of_the_version_that_the_client_knows_is_made(
    client: TestClient, method: str, verb: str, known: str
) -> None:
    task_id = create(client)["id"]
    if_match = known.replace("{tag}", tag(client, task_id))

    response = send(client, method, f"/tasks/{task_id}{verb}", if_match)

    assert response.status_code in {200, 204}, response.text


@pytest.mark.parametrize(("method", "verb"), CHANGES)
@pytest.mark.parametrize(
    "known", ["{tag}", "W/{now}", "{bare}", '"x"', '"0"', '"' + "9" * 40 + '"']
)
def test_a_change_of_another_version_is_refused(
    client: TestClient, engine: Engine, method: str, verb: str, known: str
) -> None:
    task_id = create(client)["id"]
    before = tag(client, task_id)
    client.patch(f"/tasks/{task_id}", json={"title": "mine"})
    now = tag(client, task_id)
    if_match = known.replace("{tag}", before).replace("{now}", now).replace("{bare}", now[1:-1])

    response = send(client, method, f"/tasks/{task_id}{verb}", if_match)

    assert "version 2 now" in problem(response, 412, "version_changed")["detail"]
    assert response.headers["etag"] == now
    assert (row(engine, task_id)["title"], row(engine, task_id)["version"]) == ("mine", 2)
    assert rows(engine, "SELECT id FROM task_events") == []


@pytest.mark.parametrize(("method", "verb"), [*CHANGES[:1], *CHANGES[2:]])
def test_of_several_who_know_the_same_version_one_wins(
    client: TestClient, method: str, verb: str
) -> None:
    task_id = create(client)["id"]
    before = tag(client, task_id)

    with ThreadPoolExecutor(8) as pool:
        requests = [
            pool.submit(send, client, method, f"/tasks/{task_id}{verb}", before) for _ in range(8)
        ]

    statuses = sorted(request.result().status_code for request in requests)
    assert statuses == [200] + [412] * 7


def test_a_change_in_sql_does_not_stand_in_the_way(client: TestClient, engine: Engine) -> None:
    task_id = create(client)["id"]
    before = tag(client, task_id)
    change(engine, task_id, "description = 'by a DBA'")

    assert send(client, "PATCH", f"/tasks/{task_id}", before).status_code == 200


def test_an_empty_change_of_another_version_is_refused(client: TestClient) -> None:
    task_id = create(client)["id"]

    for if_match, status in (('"1"', 200), ('"2"', 412)):
        response = client.patch(f"/tasks/{task_id}", json={}, headers={"if-match": if_match})
        assert response.status_code == status


def test_what_is_not_there_is_not_found_whatever_version_is_known(client: TestClient) -> None:
    for method, verb in CHANGES:
        problem(send(client, method, f"/tasks/1{verb}", '"1"'), 404, "task_not_found")


@pytest.mark.parametrize("verb", VERBS)
def test_the_version_is_looked_at_before_the_state(
    client: TestClient, engine: Engine, verb: str
) -> None:
    (task_id,) = make(engine)
    succeed(engine, *claim(engine))

    problem(send(client, "POST", f"/tasks/{task_id}/{verb}", '"1"'), 412, "version_changed")
    problem(send(client, "POST", f"/tasks/{task_id}/{verb}", "*"), 409, "state_forbids")
