"""POST /tasks."""

from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.api.requests import create, faults, problem
from tests.rows import row, rows

REQUIREMENT = {
    "id",
    "title",
    "description",
    "status",
    "priority",
    "tags",
    "due_date",
    "timeout_seconds",
    "retry_limit",
    "current_retry_count",
    "created_at",
    "updated_at",
    "completed_at",
}

EVERYTHING: dict[str, Any] = {
    "title": "备份 🗄️",
    "description": "line one\nline two\ttabbed",
    "priority": "高",
    "tags": ["核心业务", "beta"],
    "due_date": "2031-05-06T07:08:09.123456Z",
    "timeout_seconds": 604_800,
    "retry_limit": 0,
    "task_type": "resize.v2:image",
    "queue": "_images-1",
    "payload": {"big": 2**63, "small": -(2**63), "list": [1.5, None, True, "\u2028"]},
    "account_id": "客户 1",
    "available_at": "2030-01-01T00:00:00Z",
    "unique_key": "日报 2030-01-01",
}


def test_a_title_is_enough(client: TestClient, engine: Engine) -> None:
    response = client.post("/tasks", json={"title": "only a title"})

    assert response.status_code == 201
    task = response.json()
    assert response.headers["location"] == f"/tasks/{task['id']}"
    assert task.keys() >= REQUIREMENT
    assert (task["status"], task["state"], task["priority"]) == ("to_do", "PENDING", "中")
    assert (task["timeout_seconds"], task["retry_limit"]) == (300, 3)
    assert (task["queue"], task["task_type"], task["tags"]) == ("default", "default", [])
    assert row(engine, task["id"])["title"] == "only a title"


def test_every_field_comes_back_as_it_was_sent(client: TestClient) -> None:
    created = create(client, **EVERYTHING)
    read = client.get(f"/tasks/{created['id']}").json()

    assert created == read
    assert created | EVERYTHING | {"tags": ["beta", "核心业务"]} == created


@pytest.mark.parametrize(
    ("given", "kept"), [("high", "高"), ("medium", "中"), ("low", "低"), ("低", "低")]
)
def test_priorities_have_english_names_too(client: TestClient, given: str, kept: str) -> None:
    assert create(client, priority=given)["priority"] == kept


def test_a_held_task_is_created_paused(client: TestClient) -> None:
    task = create(client, hold=True)

    assert (task["status"], task["state"]) == ("paused", "READY")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2030-01-31T08:00:00+08:00", "2030-01-31T00:00:00Z"),
        ("2030-01-31T08:00:00", "2030-01-31T08:00:00Z"),
        ("2030-01-31 08:00Z", "2030-01-31T08:00:00Z"),
        ("2030-01-31t08:00:00.5z", "2030-01-31T08:00:00.500000Z"),
    ],
)
def test_times_become_utc(client: TestClient, given: str, kept: str) -> None:
    task = create(client, due_date=given, available_at=given)

    assert (task["due_date"], task["available_at"]) == (kept, kept)


def test_tags_are_created_once_and_come_back_sorted(client: TestClient, engine: Engine) -> None:
    create(client, tags=["b"])

    task = create(client, tags=["b", "a", "b"])

    assert task["tags"] == ["a", "b"]
    assert {tag["name"] for tag in rows(engine, "SELECT name FROM tags")} == {"a", "b"}


@pytest.mark.parametrize(
    "text",
    ["任务", "é and e\u0301", "👩‍👩‍👧‍👦", "שלום", "a\u200db", "ﬀ", "ß SS ss", "\U0001f600" * 255],
)
def test_texts_stay_what_they_were(client: TestClient, text: str) -> None:
    tag = text[:100]

    task = create(client, title=text, description=text, tags=[tag], account_id=tag, payload=text)

    assert (task["title"], task["description"], task["payload"]) == (text, text, text)
    assert (task["tags"], task["account_id"]) == ([tag], tag)


@pytest.mark.parametrize(
    "text",
    ["'; DROP TABLE tasks; --", "%s %(x)s {0} {x}", "$(reboot)", "<script>alert(1)</script>", "\\"],
)
def test_texts_that_look_like_code_are_data(client: TestClient, text: str) -> None:
    task = create(
        client, title=text, description=text, tags=[text], account_id=text, payload={text: text}
    )

    assert (task["title"], task["tags"], task["payload"]) == (text, [text], {text: text})
    assert client.get("/tasks", params={"tag": text, "account_id": text}).json()[0]["title"] == text


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"title": ""}, "/title"),
    ({"title": " \u3000\n"}, "/title"),
    ({"title": "x" * 256}, "/title"),
    ({"title": "a\0b"}, "/title"),
    ({"title": None}, "/title"),
    ({"title": 5}, "/title"),
    ({"description": "x" * 16_001}, "/description"),
    ({"description": "a\0b"}, "/description"),
    ({"priority": "urgent"}, "/priority"),
    ({"priority": None}, "/priority"),
    ({"priority": ["高"]}, "/priority"),
    ({"tags": ["ok", " outer"]}, "/tags/1"),
    ({"tags": ["a\nb"]}, "/tags/0"),
    ({"tags": [""]}, "/tags/0"),
    ({"tags": ["x" * 101]}, "/tags/0"),
    ({"tags": [f"{number}" for number in range(51)]}, "/tags"),
    ({"tags": "a"}, "/tags"),
    ({"tags": None}, "/tags"),
    ({"due_date": "tomorrow"}, "/due_date"),
    ({"due_date": 1_700_000_000}, "/due_date"),
    ({"due_date": "20300131"}, "/due_date"),
    ({"due_date": "2030-02-30T00:00:00Z"}, "/due_date"),
    ({"due_date": "0001-01-01T00:00:00+14:00"}, "/due_date"),
    ({"due_date": "0999-12-31T23:59:59Z"}, "/due_date"),
    ({"due_date": "9999-12-31T23:59:59-01:00"}, "/due_date"),
    ({"available_at": ""}, "/available_at"),
    ({"timeout_seconds": 0}, "/timeout_seconds"),
    ({"timeout_seconds": 604_801}, "/timeout_seconds"),
    ({"timeout_seconds": "5"}, "/timeout_seconds"),
    ({"timeout_seconds": True}, "/timeout_seconds"),
    ({"timeout_seconds": 1.5}, "/timeout_seconds"),
    ({"timeout_seconds": 10**30}, "/timeout_seconds"),
    ({"retry_limit": -1}, "/retry_limit"),
    ({"retry_limit": 101}, "/retry_limit"),
    ({"task_type": "-x"}, "/task_type"),
    ({"task_type": "a b"}, "/task_type"),
    ({"queue": ""}, "/queue"),
    ({"queue": "队列"}, "/queue"),
    ({"queue": "x" * 101}, "/queue"),
    ({"queue": "a\n"}, "/queue"),
    ({"account_id": ""}, "/account_id"),
    ({"account_id": "x" * 129}, "/account_id"),
    ({"account_id": "a "}, "/account_id"),
    ({"account_id": "a\x85b"}, "/account_id"),
    ({"payload": "x" * 262_144}, "/payload"),
    ({"payload": 2**64}, "/payload"),
    ({"hold": 1}, "/hold"),
    ({"unique_key": ""}, "/unique_key"),
    ({"unique_key": "a "}, "/unique_key"),
    ({"unique_key": "a\nb"}, "/unique_key"),
    ({"unique_key": "x" * 256}, "/unique_key"),
    ({"unique_key": "a", "on_conflict": "replace"}, "/on_conflict"),
    ({"a/b~c": 1}, "/a~1b~0c"),
    ({"id": 7}, "/id"),
    ({"status": "done"}, "/status"),
]


@pytest.mark.parametrize(("fields", "pointer"), INVALID)
def test_what_cannot_be_taken_is_named(
    client: TestClient, engine: Engine, fields: dict[str, Any], pointer: str
) -> None:
    response = client.post("/tasks", json={"title": "a task"} | fields)

    assert list(faults(response)) == [pointer]
    assert rows(engine, "SELECT id FROM tasks") == []


def test_all_faults_are_told_at_once(client: TestClient) -> None:
    response = client.post("/tasks", json={"priority": "x", "retry_limit": 101, "colour": "red"})

    assert list(faults(response)) == ["/title", "/priority", "/retry_limit", "/colour"]


def test_a_payload_nested_too_deeply_is_refused(client: TestClient) -> None:
    payload: list[Any] = []
    for _ in range(40):
        payload = [payload]

    assert (
        "30 levels"
        in faults(client.post("/tasks", json={"title": "a", "payload": payload}))["/payload"]
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "body_not_json"),
        (b'{"title": NaN}', "body_not_json"),
        (b'{"title": "a", "payload": -Infinity}', "body_not_json"),
        (b'{"title": "\\ud800"}', "body_not_json"),
        (b'{"title": "\xff"}', "body_not_json"),
        (b'\xef\xbb\xbf{"title": "a"}', "body_not_json"),
        (b"[" * 100_000, "body_not_json"),
        (b'{"a":' * 1_000 + b"1" + b"}" * 1_000, "body_too_deep"),
        (b'{"title": "a", "payload": ' + b"9" * 5_000 + b"}", "body_not_json"),
        (b'{"title": "a", "payload": 1e999}', "body_not_json"),
        (b'{"title": "a", "title": "b"}', "body_name_repeated"),
        (b'{"title": "a", "payload": {"x": {"\\u0061": 1, "a": 2}}}', "body_name_repeated"),
    ],
)
def test_a_body_that_is_not_json_to_the_letter_is_refused(
    client: TestClient, body: bytes, code: str
) -> None:
    response = client.post("/tasks", content=body, headers={"content-type": "application/json"})

    problem(response, 400, code)


@pytest.mark.parametrize("body", [b"", b"null", b'"a"', b"[]", b"5"])
def test_a_body_must_be_an_object(client: TestClient, body: bytes) -> None:
    response = client.post("/tasks", content=body, headers={"content-type": "application/json"})

    assert list(faults(response)) == [""]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_a_body_of_another_type_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    response = client.post("/tasks", content=b'{"title": "a"}', headers=headers)

    problem(response, 415, "body_encoded" if len(headers) > 1 else "body_media_type")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "application/x+json"])
def test_json_may_be_called_by_other_names(client: TestClient, media_type: str) -> None:
    headers = {"content-type": media_type}

    assert client.post("/tasks", content=b'{"title": "a"}', headers=headers).status_code == 201


def test_a_body_that_says_it_is_too_large_is_refused(client: TestClient) -> None:
    body = b'{"title": "' + b"x" * 1024 * 1024 + b'"}'
    response = client.post("/tasks", content=body, headers={"content-type": "application/json"})

    problem(response, 413, "body_too_large")


def test_a_body_is_counted_while_it_streams(client: TestClient) -> None:
    chunks = (b"x" * 65_536 for _ in range(1_000))
    response = client.post("/tasks", content=chunks, headers={"content-type": "application/json"})

    problem(response, 413, "body_too_large")


ODD: dict[str, Any] = {
    "title": "all of it",
    "description": "说明\n",
    "priority": "high",
    "tags": ["b", "a", "b"],
    "due_date": "2031-01-01T08:00:00.123456+08:00",
    "timeout_seconds": 5,
    "retry_limit": 0,
    "task_type": "t",
    "queue": "q",
    "payload": {"long name": [1.5, None, {"a": "\\ '%s"}], "b": 2**63 - 1},
    "account_id": "客",
    "available_at": "2031-01-01T00:00:00Z",
    "unique_key": "k",
}


@pytest.mark.parametrize(
    "fields", [{"title": "a"}, ODD, {"title": "held", "hold": True, "payload": "x"}]
)
def test_the_answer_is_the_task_as_it_is_read_later(
    client: TestClient, fields: dict[str, Any]
) -> None:
    alone = client.post("/tasks", json=fields).json()
    (among, _) = client.post(
        "/tasks/batch", json={"tasks": [fields | {"unique_key": None}, {"title": "b"}]}
    ).json()

    assert alone == client.get(f"/tasks/{alone['id']}").json()
    assert among == {
        name: value
        for name, value in client.get(f"/tasks/{among['id']}").json().items()
        if name not in {"payload", "result", "checkpoint"}
    }


def test_a_number_without_a_fraction_is_an_integer_however_it_is_written(
    client: TestClient,
) -> None:
    task = create(client, retry_limit=2.0, timeout_seconds=6e1)

    assert (task["retry_limit"], task["timeout_seconds"]) == (2, 60)
    half = client.post("/tasks", json={"title": "a", "retry_limit": 2.5, "timeout_seconds": 1e300})
    assert faults(half).keys() == {"/retry_limit", "/timeout_seconds"}
