"""Files over HTTP: up, down, away, and who refers to them."""

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient
from starlette.types import Message

from api import database, uploads
from api.main import build
from schema.runtime.files import Draft, FileStore, placed_by
from schema.runtime.settings import Settings
from schema.runtime.transactions import CommitUnknownError
from tests.api.process import api_process
from tests.api.requests import create, faults, local_client, problem
from tests.files import file_row, referring
from tests.rows import claim, rows, succeed

PICTURE = bytes(range(256)) * 20
SHA = hashlib.sha256(PICTURE).hexdigest()
MEBIBYTE = 1024 * 1024


@pytest.fixture
def small(engine: Engine, database_url: str, tmp_path: Path) -> Iterator[TestClient]:  # noqa: ARG001  # empties the tables
    """The API with a store of its own, and files of up to 1 MiB."""
    chosen = Settings(database_url=database_url, files_url=str(tmp_path), files_max_mb=1)
    with local_client(build(lambda: chosen)) as client:
        yield client


def upload(
    client: TestClient, content: bytes = PICTURE, name: str = "a.png", kind: str = "image/png"
) -> httpx2.Response:
    """Send a file, and return the answer."""
    return client.post("/files", files={"file": (name, content, kind)})


def uploaded(client: TestClient, content: bytes = PICTURE, **how: Any) -> int:
    """Send a file and return its number."""
    response = upload(client, content, **how)
    assert response.status_code in {200, 201}, response.text
    number: int = response.json()["id"]
    return number


def form(*parts: bytes, end: bytes = b"--B--\r\n") -> bytes:
    """Return a form with parts, each with its head."""
    return b"".join(b"--B\r\n" + part + b"\r\n" for part in parts) + end


def send(client: TestClient, body: Any, kind: str = "multipart/form-data; boundary=B") -> Any:
    return client.post("/files", content=body, headers={"content-type": kind})


HEAD = b'Content-Disposition: form-data; name="file"; filename="x"\r\n\r\n'


def stored_names(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_a_file_comes_back_as_it_was_sent(client: TestClient) -> None:
    response = upload(client, name="图 片.png")

    assert response.status_code == 201, response.text
    told = response.json()
    assert response.headers["location"] == f"/files/{told['id']}"
    assert told["created_at"].endswith("Z")
    assert {name: told[name] for name in ("name", "content_type", "size_bytes", "sha256")} == {
        "name": "图 片.png",
        "content_type": "image/png",
        "size_bytes": len(PICTURE),
        "sha256": SHA,
    }
    assert client.get(f"/files/{told['id']}/info").json() == told
    got = client.get(f"/files/{told['id']}")
    assert got.content == PICTURE
    assert got.headers["content-type"] == "image/png"
    assert got.headers["content-length"] == str(len(PICTURE))
    assert got.headers["etag"] == f'"{SHA}"'
    disposition = got.headers["content-disposition"]
    assert disposition == (
        "attachment; filename=\"_ _.png\"; filename*=UTF-8''%E5%9B%BE%20%E7%89%87.png"
    )
    assert got.headers["x-content-type-options"] == "nosniff"


def test_the_same_bytes_are_the_same_file(client: TestClient, engine: Engine) -> None:
    first = upload(client)

    again = upload(client, name="b.png")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() | {"last_used_at": 0} == first.json() | {"last_used_at": 0}
    assert again.headers["location"] == first.headers["location"]
    assert len(rows(engine, "SELECT id FROM files")) == 1
    assert uploaded(client, b"other") != first.json()["id"]


def test_an_empty_file_is_a_file(client: TestClient) -> None:
    file_id = uploaded(client, b"")

    assert client.get(f"/files/{file_id}").content == b""
    assert client.get(f"/files/{file_id}/info").json()["size_bytes"] == 0


def test_an_idempotency_key_is_not_looked_at(client: TestClient, engine: Engine) -> None:
    headers = {"idempotency-key": "k"}
    answers = [
        client.post("/files", files={"file": ("a", content)}, headers=headers)
        for content in (b"1", b"2")
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert rows(engine, "SELECT * FROM idempotency_keys") == []


def test_a_client_that_has_the_bytes_is_not_sent_them(client: TestClient) -> None:
    file_id = uploaded(client)

    for known in (f'"{SHA}"', f'"x", W/"{SHA}"', "*"):
        response = client.get(f"/files/{file_id}", headers={"if-none-match": known})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == f'"{SHA}"'
    assert client.get(f"/files/{file_id}", headers={"if-none-match": '"x"'}).status_code == 200


@pytest.mark.parametrize(
    ("asked", "span"),
    [("0-9", (0, 10)), ("100-", (100, 5120)), ("-5", (5115, 5120)), ("5119-9999", (5119, 5120))],
)
def test_a_part_of_a_file_can_be_asked_for(
    client: TestClient, asked: str, span: tuple[int, int]
) -> None:
    file_id = uploaded(client)

    response = client.get(f"/files/{file_id}", headers={"range": f"bytes={asked}"})

    assert response.status_code == 206
    assert response.content == PICTURE[slice(*span)]
    assert response.headers["content-range"] == f"bytes {span[0]}-{span[1] - 1}/5120"


def test_ranges_that_cannot_be_served_are_said_or_passed_over(client: TestClient) -> None:
    path = f"/files/{uploaded(client)}"

    response = client.get(path, headers={"range": "bytes=5120-"})
    problem(response, 416, "range_unsatisfiable")
    assert response.headers["content-range"] == "bytes */5120"
    for headers in (
        {"range": "bytes=0-1,3-4"},
        {"range": "lines=1-2"},
        {"range": "bytes=-"},
        {"range": "bytes=0-1", "if-range": '"other"'},
    ):
        response = client.get(path, headers=headers)
        assert (response.status_code, response.content) == (200, PICTURE)


@pytest.mark.parametrize(
    ("kind", "served"),
    [
        ("text/html", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("application/XHTML+xml", "application/octet-stream"),
        ("text/javascript", "application/octet-stream"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("nonsense", "application/octet-stream"),
    ],
)
def test_nothing_that_a_browser_might_run_is_shown(
    client: TestClient, kind: str, served: str
) -> None:
    file_id = uploaded(client, kind=kind)

    headers = client.get(f"/files/{file_id}").headers

    assert headers["content-type"] == served
    assert headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (b"../../etc/passwd", "passwd"),
        (b"C:\\x\\a.txt", "a.txt"),
        (b"a\x07b\xe2\x80\xae.txt", "ab.txt"),
        (b"..", "file"),
        (b"", "file"),
        (b"x" * 1_000, "x" * 255),
        (b"\xff.txt", "\ufffd.txt"),
    ],
)
def test_a_name_misleads_nobody(client: TestClient, sent: bytes, name: str) -> None:
    head = b'Content-Disposition: form-data; name="file"; filename="%s"\r\n\r\n' % sent

    response = send(client, form(head + b"content"))

    assert response.status_code == 201, response.text
    assert response.json()["name"] == name
    disposition = client.get(response.headers["location"]).headers["content-disposition"]
    assert disposition.isascii()
    assert "\n" not in disposition


def test_a_name_in_quotes_stays_in_its_place(client: TestClient) -> None:
    head = b'Content-Disposition: form-data; name="file"; filename="a\\"; x=\\"b"\r\n\r\n'

    location = send(client, form(head)).headers["location"]

    disposition = client.get(location).headers["content-disposition"]
    assert disposition.startswith('attachment; filename="a_; x=_b"; filename*=')


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        (form(), "/file", "required"),
        (form(HEAD.replace(b'name="file"', b'name="files"')), "/files", "no such field"),
        (form(HEAD + b"x", HEAD + b"y"), "/file", "once"),
    ],
)
def test_a_form_has_one_file_and_nothing_else(
    small: TestClient, tmp_path: Path, body: bytes, pointer: str, detail: str
) -> None:
    assert detail in faults(send(small, body))[pointer]
    assert stored_names(tmp_path) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        form(HEAD + b"half a fi", end=b""),
        form(b"no head\r\n"),
        b"--B\r\n" + b"x: " + b"y" * 100_000,
    ],
)
def test_a_form_that_is_broken_or_cut_off_is_refused(
    small: TestClient, tmp_path: Path, body: bytes
) -> None:
    problem(send(small, body), 400, "body_no_form")
    assert stored_names(tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("application/json", 415, "body_not_multipart"),
        ("application/x-www-form-urlencoded", 415, "body_not_multipart"),
        ("", 415, "body_not_multipart"),
        ("multipart/form-data", 400, "body_no_form"),
        (f"multipart/form-data; boundary={'x' * 300}", 400, "body_no_form"),
    ],
)
def test_only_forms_are_taken(small: TestClient, kind: str, status: int, code: str) -> None:
    problem(send(small, form(HEAD), kind), status, code)


def test_forms_are_taken_nowhere_else(client: TestClient) -> None:
    problem(client.post("/tasks", files={"file": b"x"}), 415, "body_media_type")


def test_a_file_has_its_limit_however_it_is_sent(small: TestClient, tmp_path: Path) -> None:
    exact = b"x" * MEBIBYTE
    assert upload(small, exact).status_code == 201

    for size in (MEBIBYTE + 1, 3 * MEBIBYTE):
        response = upload(small, b"x" * size)
        assert "1 MiB" in problem(response, 413, "file_too_large")["detail"]

    def chunked() -> Iterator[bytes]:
        yield b"--B\r\n" + HEAD
        for _ in range(40):
            yield b"x" * 50_000

    problem(send(small, chunked()), 413, "file_too_large")
    assert stored_names(tmp_path) == [hashlib.sha256(exact).hexdigest()]


def test_a_frame_without_end_has_its_limit_too(small: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        yield b"--B\r\n" + HEAD + b"x\r\n--B--\r\n"
        for _ in range(10):
            yield b" " * 50_000

    problem(send(small, endless()), 413, "file_too_large")


async def answered(application: Any, messages: AsyncIterator[Message]) -> list[Message]:
    """Return what an upload is answered whose body comes as these messages."""
    sent: list[Message] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/files",
        "raw_path": b"/files",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"multipart/form-data; boundary=B")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
    }

    async def receive() -> Message:
        return await anext(messages)

    async def keep(message: Message) -> None:
        sent.append(message)

    await application(scope, receive, keep)
    return sent


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_client_that_stops_in_the_middle_leaves_nothing(
    small: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_gone: bool
) -> None:
    monkeypatch.setattr(uploads, "SILENCE_SECONDS", 0.05)

    async def body() -> AsyncIterator[Message]:
        part = b"--B\r\n" + HEAD + b"x" * 2_000
        yield {"type": "http.request", "body": part, "more_body": True}
        if is_gone:
            yield {"type": "http.disconnect"}
        await asyncio.Event().wait()

    portal: Any = small.portal
    sent = portal.call(answered, small.app, body())

    assert sent[0]["status"] == (400 if is_gone else 408)
    assert stored_names(tmp_path) == []


def test_an_upload_is_not_held_in_memory(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    write = uploads._write

    async def spy(form: uploads.Form, draft: Any) -> None:
        sizes.append(len(form.content))
        await write(form, draft)

    monkeypatch.setattr(uploads, "_write", spy)

    async def body() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": b"--B\r\n" + HEAD, "more_body": True}
        for _ in range(100):
            yield {"type": "http.request", "body": os.urandom(100_000), "more_body": True}
        yield {"type": "http.request", "body": b"\r\n--B--\r\n"}

    portal: Any = client.portal
    sent = portal.call(answered, client.app, body())

    assert sent[0]["status"] == 201
    assert sum(sizes) == 10_000_000
    assert max(sizes) < 2 * MEBIBYTE


def test_the_same_file_sent_by_many_at_once_is_one(client: TestClient, engine: Engine) -> None:
    ids: list[int] = []
    threads = [
        threading.Thread(target=lambda: ids.append(uploaded(client, b"y" * 100_000)))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(ids), len(set(ids))) == (10, 1)
    assert len(rows(engine, "SELECT id FROM files")) == 1


def test_a_task_names_the_files_it_needs(client: TestClient, engine: Engine) -> None:
    file_id = uploaded(client)

    task = create(client, payload={"in": [{"file": file_id}]})

    assert referring(engine) == {(task["id"], file_id)}
    missing = {"payload": {"in": [{"file": file_id}, {"file": file_id + 1}]}}
    told = faults(client.post("/tasks", json={"title": "b"} | missing))
    assert told == {"/payload/in/1/file": f"there is no file {file_id + 1}"}
    assert faults(client.patch(f"/tasks/{task['id']}", json=missing)) == told
    schedule = {"name": "s", "interval": 60} | missing
    assert faults(client.post("/schedules", json=schedule)) == told
    chinese = client.post(
        "/tasks", json={"title": "b"} | missing, headers={"accept-language": "zh"}
    )
    assert faults(chinese) == {"/payload/in/1/file": f"文件 {file_id + 1} 不存在"}


def test_in_a_batch_each_task_is_told_of_its_own_files(client: TestClient, engine: Engine) -> None:
    file_id = uploaded(client)
    batch: dict[str, Any] = {
        "tasks": [
            {"title": "no title is too short"},
            {"title": ""},
            {"title": "missing", "payload": {"a": {"file": 99_999}, "b": {"file": 99_998}}},
            {"title": "there", "payload": {"file": file_id}},
        ]
    }

    partly = client.post("/tasks/batch", json=batch | {"partial": True}).json()
    del batch["tasks"][1]
    refused = client.post("/tasks/batch", json=batch)

    assert [task["title"] for task in partly["created"]] == ["no title is too short", "there"]
    assert [(each["index"], each["code"]) for each in partly["failed"]] == [
        (1, "invalid"),
        (2, "invalid"),
    ]
    assert [each["pointer"] for each in partly["failed"][1]["errors"]] == [
        "/payload/a/file",
        "/payload/b/file",
    ]
    assert faults(refused).keys() == {"/tasks/1/payload/a/file", "/tasks/1/payload/b/file"}
    assert referring(engine) == {(partly["created"][1]["id"], file_id)}


def test_a_file_in_use_is_not_deleted(client: TestClient, engine: Engine) -> None:
    file_id = uploaded(client)
    task = create(client, payload={"file": file_id})

    refusal = problem(client.delete(f"/files/{file_id}"), 409, "file_in_use")
    assert refusal["task_ids"] == [task["id"]]
    assert f"{task['id']}." in refusal["detail"]

    succeed(engine, *claim(engine))
    assert client.delete(f"/files/{file_id}").status_code == 204
    for path in (f"/files/{file_id}", f"/files/{file_id}/info"):
        problem(client.get(path), 404, "file_not_found")
    problem(client.delete(f"/files/{file_id}"), 404, "file_not_found")
    assert file_row(engine, file_id) == {}


def test_bytes_that_are_not_in_the_store_are_said_to_be_missing(
    small: TestClient, tmp_path: Path
) -> None:
    file_id = uploaded(small)
    (tmp_path / SHA[:2] / SHA[2:4] / SHA).unlink()

    problem(small.get(f"/files/{file_id}"), 404, "file_bytes_missing")
    assert upload(small).status_code == 200
    assert small.get(f"/files/{file_id}").content == PICTURE


@pytest.mark.parametrize("slow", ["place", "remove"])
def test_a_store_that_is_slower_than_the_deadline_does_no_half_of_it(
    small: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    owner: Any = Draft if slow == "place" else FileStore
    quick = getattr(owner, slow)

    def slowly(*arguments: Any) -> Any:
        time.sleep(0.7)
        return quick(*arguments)

    monkeypatch.setattr(database, "DEADLINE_SECONDS", 0.2)
    monkeypatch.setattr(owner, slow, slowly)

    file_id = uploaded(small)
    assert small.get(f"/files/{file_id}").content == PICTURE
    assert small.delete(f"/files/{file_id}").status_code == 204
    assert file_row(engine, file_id) == {}
    assert upload(small).status_code == 201


def test_what_is_not_committed_is_noted_for_the_reaper(
    small: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded(small, b"committed")
    assert list((tmp_path / "drafts").iterdir()) == []

    def lose(_connection: object) -> None:
        raise CommitUnknownError

    monkeypatch.setattr(database, "commit", lose)
    problem(upload(small), 503, "outcome_unknown")

    assert [placed_by(str(path)) for path in (tmp_path / "drafts").iterdir()] == [SHA]


def test_a_store_that_is_away_is_a_503(small: TestClient, tmp_path: Path) -> None:
    (tmp_path / "drafts").write_text("no folder")

    response = upload(small)

    assert response.headers["retry-after"] == "5"
    assert str(tmp_path) not in problem(response, 503, "files_away")["detail"]


def test_a_real_server_takes_and_refuses_large_files(
    client: TestClient,  # noqa: ARG001  # empties the tables
    database_url: str,
    tmp_path: Path,
) -> None:
    content = os.urandom(20 * MEBIBYTE)
    with api_process(database_url, FILES_URL=str(tmp_path), FILES_SHARED="0") as api:
        api.wait_until_up("/readyz")
        taken = api.client.post("/files", files={"file": ("big", content)})
        assert taken.status_code == 201, taken.text
        assert api.client.get(taken.headers["location"]).content == content
        refused = api.client.post("/files", files={"file": ("big", content + content)})
        assert (refused.status_code, refused.json()["code"]) == (413, "file_too_large")
        assert api.end() == 0
    warned = [line for line in api.stdout.splitlines() if "other machines do not see" in line]
    assert len(warned) == 1


def test_the_api_does_not_start_with_a_store_that_it_cannot_open(database_url: str) -> None:
    with api_process(database_url, FILES_URL="nonsense://x") as api:
        assert api.wait() == 2
    assert api.stderr.strip() == "FILES_URL: Protocol not known: nonsense"
