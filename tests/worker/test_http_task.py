"""The handler "http", performed as a worker would, against a server of ours."""

import json
import re
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from schema.attempts import Failed, Snoozed, Succeeded
from schema.task_fields import TaskCreation
from tests.conftest import ROOT
from tests.processes import Start
from tests.receiver import Receiver, Reply
from tests.rows import attempts, change, make, row
from tests.waiting import wait_for
from worker.http_task import HttpRequest
from worker.testing import Performance, perform

SECRET = "s3cr3t-value"


def ask(receiver: Receiver, **payload: Any) -> Performance:
    return perform("http", {"url": receiver.url} | payload)


def failure(ended: Performance, *, for_good: bool) -> str:
    assert isinstance(ended.outcome, Failed), ended
    assert ended.outcome.for_good is for_good, ended
    return ended.outcome.failure.message


def test_a_url_is_enough(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(200, "你好\n".encode(), {"content-type": "text/plain"})

    result = ask(receiver).result

    assert (result["status"], result["body"], result["truncated"]) == (200, "你好\n", False)
    assert (result["body_encoding"], result["headers"]["content-type"]) == ("text", "text/plain")
    assert receiver.received[0].method == "GET"


def test_method_headers_and_body_are_sent_as_they_are_given(receiver: Receiver) -> None:
    ask(receiver, method="put", headers={"X-One": "1", "User-Agent": "me"}, body="数")

    (sent,) = receiver.received
    assert (sent.method, sent.body) == ("PUT", "数".encode())
    assert (sent.headers["x-one"], sent.headers["user-agent"]) == ("1", "me")


@pytest.mark.parametrize("document", [{"a": [1, "数"]}, None, [], 0, ""])
def test_json_is_sent_as_json(receiver: Receiver, document: Any) -> None:
    ask(receiver, method="POST", json=document)

    (sent,) = receiver.received
    assert sent.headers["content-type"] == "application/json"
    assert sent.body.decode() == {None: "null", 0: "0", "": '""'}.get(
        document if not isinstance(document, dict | list) else "x",
        '{"a":[1,"数"]}' if document else "[]",
    )


def test_all_attempts_of_a_run_have_one_idempotency_key(receiver: Receiver) -> None:
    perform("http", {"url": receiver.url}, task_id=7, attempt=1, fence=1)
    perform("http", {"url": receiver.url}, task_id=7, attempt=2, fence=3)

    keys = [each.headers["idempotency-key"] for each in receiver.received]
    assert keys == ["rowlease-7-1", "rowlease-7-1"]


def test_each_request_is_a_span_of_its_own(receiver: Receiver) -> None:
    ask(receiver)
    ask(receiver)

    one, two = (each.headers["traceparent"] for each in receiver.received)
    assert one != two
    assert len(one) == 55


def test_headers_of_the_payload_go_before_ours(receiver: Receiver) -> None:
    ask(
        receiver,
        method="POST",
        json={},
        headers={"Idempotency-Key": "mine", "Content-Type": "application/ld+json"},
    )

    (sent,) = receiver.received
    assert sent.headers["idempotency-key"] == "mine"
    assert sent.headers["content-type"] == "application/ld+json"


@pytest.mark.parametrize(
    ("expect", "status", "succeeds"),
    [
        (None, 204, True),
        (None, 299, True),
        ([404], 404, True),
        ([200, 404], 200, True),
        (404, 404, True),
        ([503], 503, True),
        ([302], 302, True),
        ([404], 200, False),
    ],
)
def test_the_statuses_that_are_expected_are_success(
    receiver: Receiver, expect: Any, status: int, *, succeeds: bool
) -> None:
    receiver.answer = lambda _: Reply(status, headers={"retry-after": "5"})

    assert isinstance(ask(receiver, expect=expect).outcome, Succeeded) is succeeds


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 300, 301, 302, 307, 308])
def test_what_another_attempt_would_not_change_fails_for_good(
    receiver: Receiver, status: int
) -> None:
    receiver.answer = lambda _: Reply(status, b"it is not there", {"location": "/elsewhere"})

    message = failure(ask(receiver), for_good=True)

    assert message.startswith(f"127.0.0.1 answered {status} ")
    assert ("not there" in message) == (status >= 400)
    assert len(receiver.received) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599, 408, 425, 429])
def test_what_may_pass_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _: Reply(status, b"later")

    assert failure(ask(receiver), for_good=False).endswith(": later")


@pytest.mark.parametrize("status", [429, 503])
def test_who_says_when_to_come_again_is_obeyed(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _: Reply(status, headers={"retry-after": "120"})

    assert ask(receiver).outcome == Snoozed(120)


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("0", 1, 1),
        ("999999999999", 86_400, 86_400),
        (timedelta(seconds=600), 500, 600),
        (timedelta(days=-1), 1, 1),
    ],
)
def test_a_moment_and_odd_numbers_are_understood(
    receiver: Receiver, said: str | timedelta, least: float, most: float
) -> None:
    text = said if isinstance(said, str) else format_datetime(datetime.now(UTC) + said, usegmt=True)
    receiver.answer = lambda _: Reply(503, headers={"retry-after": text})

    outcome = ask(receiver).outcome

    assert isinstance(outcome, Snoozed)
    assert least <= outcome.seconds <= most


@pytest.mark.parametrize("text", ["soon", "-5", "1.5", "٣", "Mon, 99 Xxx 2026"])
def test_nonsense_is_not_obeyed(receiver: Receiver, text: str) -> None:
    receiver.answer = lambda _: Reply(503, headers={"retry-after": text.encode().decode("latin-1")})

    failure(ask(receiver), for_good=False)


def test_no_answer_in_time_is_tried_again(receiver: Receiver) -> None:
    over = threading.Event()
    receiver.answer = lambda _: Reply(204 if over.wait(20) else 500)

    message = failure(ask(receiver, timeout=0.05), for_good=False)
    over.set()

    assert message == "127.0.0.1 did not answer within 0.05 s"


def test_nobody_there_is_tried_again(receiver: Receiver) -> None:
    receiver.server.socket.close()

    assert "127.0.0.1 did not answer" in failure(ask(receiver), for_good=False)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "http://localhost:1/", "http://169.254.169.254/", "http://[::1]/"]
)
def test_private_addresses_fail_for_good(receiver: Receiver, url: str) -> None:
    assert "HTTP_ALLOW_HOSTS" in failure(ask(receiver, url=url), for_good=True)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"url": None}, "url:"),
        ({"url": "ftp://example.org/"}, "url: Value error, it must begin with https://"),
        ({"url": "http://me:pw@example.org/"}, "user name or password"),
        ({"url": "http://0x7f.1/"}, "usual form"),
        ({"method": "TRACE"}, "method:"),
        ({"method": "CONNECT"}, "method:"),
        ({"body": "a", "json": {}}, "either body or json"),
        ({"headers": {"Host": "bank.example"}}, "Host is set by the worker"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "Transfer-Encoding is set"),
        ({"headers": {"a b": "x"}}, "a name of a header"),
        ({"headers": {"X": f"{SECRET}\r\nEvil: 1"}}, "the value of X must be"),
        ({"headers": {"X": f"{SECRET}数"}}, "the value of X must be"),
        ({"expect": [99]}, "expect"),
        ({"expect": []}, "expect"),
        ({"timeout": 0}, "timeout: Input should be greater than 0"),
        ({"verify": False}, "verify: Extra inputs are not permitted"),
    ],
)
def test_a_payload_that_does_not_fit_fails_for_good_and_says_why(
    receiver: Receiver, payload: dict[str, Any], words: str
) -> None:
    ended = ask(receiver, **payload)

    assert words in failure(ended, for_good=True)
    assert SECRET not in str(ended)
    assert receiver.received == []


@pytest.mark.parametrize(
    ("body", "content_type", "text", "encoding"),
    [
        (b"\x89PNG\r\n", "image/png", "iVBORw0K", "base64"),
        (b"a\x00b", "text/plain", "YQBi", "base64"),
        ("价格".encode("gbk"), "text/html; charset=gbk", "价格", "text"),
        ("价格".encode(), "text/html; charset=nonsense", "价格", "text"),
        ("价格".encode(), 'text/html; charset="zlib"', "价格", "text"),
        (b"", "", "", "text"),
    ],
)
def test_a_body_is_text_where_it_can_be(
    receiver: Receiver, body: bytes, content_type: str, text: str, encoding: str
) -> None:
    receiver.answer = lambda _: Reply(200, body, {"content-type": content_type})

    result = ask(receiver).result

    assert (result["body"], result["body_encoding"]) == (text, encoding)


def test_a_large_body_is_cut_between_characters(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(200, ("x" + "数" * 100_000).encode())

    result = ask(receiver).result

    assert (result["truncated"], result["body_encoding"]) == (True, "text")
    assert result["body"] == "x" + "数" * ((256 * 1024 - 1) // 3)


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "Cookie", "X-Auth-Token"])
def test_a_secret_that_a_server_repeats_is_not_told(receiver: Receiver, name: str) -> None:
    receiver.answer = lambda got: Reply(400, str(got.headers).encode())

    ended = ask(receiver, headers={name: f"Bearer {SECRET}"})

    assert SECRET in str(receiver.received)
    assert SECRET not in str(ended)


def test_a_secret_is_not_told_in_part(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(400, ("x" * 290 + SECRET).encode())

    ended = ask(receiver, headers={"Authorization": SECRET, "X-Api-Key": ""})

    assert SECRET[:5] not in str(ended)


def test_a_task_sends_its_key_over_all_attempts_and_a_new_one_when_started(
    engine: Engine, start: Start, receiver: Receiver
) -> None:
    replies = iter([Reply(500), Reply(200, b"1"), Reply(200, b"2")])
    receiver.answer = lambda _: next(replies)
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    payload = {
        "url": f"{receiver.url}?token={SECRET}",
        "headers": {"Authorization": f"Bearer {SECRET}"},
    }
    (task_id,) = make(engine, task_type="http", payload=payload, traceparent=trace)
    worker = start(
        "worker", RETRY_BACKOFF_SECONDS="0", HTTP_ALLOW_HOSTS=receiver.host, LOG_LEVEL="debug"
    )

    wait_for(lambda: row(engine, task_id)["status"] == "done")
    change(
        engine,
        task_id,
        "status = 'to_do', completed_at = NULL, finished_at = NULL,"
        " current_retry_count = 0, run_fence = fence + 1",
    )
    wait_for(lambda: len(attempts(engine, task_id)) == 3)

    keys = [each.headers["idempotency-key"] for each in receiver.received]
    assert keys == [f"rowlease-{task_id}-1"] * 2 + [f"rowlease-{task_id}-3"]
    assert {each.headers["traceparent"][:36] for each in receiver.received} == {trace[:36]}
    assert worker.stop() == 0
    assert SECRET not in worker.output.read_text() + worker.errors.read_text()
    assert SECRET not in str(attempts(engine, task_id))


def test_a_request_ends_with_the_lease(engine: Engine, start: Start, receiver: Receiver) -> None:
    over = threading.Event()
    receiver.answer = lambda _: Reply(204 if over.wait(20) else 500)
    payload = {"url": receiver.url}
    (task_id,) = make(engine, task_type="http", payload=payload, timeout_seconds=1, retry_limit=0)
    start("worker", HTTP_ALLOW_HOSTS=receiver.host)

    wait_for(lambda: row(engine, task_id)["status"] == "failed")
    over.set()

    assert [each["outcome"] for each in attempts(engine, task_id)] == ["timed_out"]


def test_the_payloads_of_the_manual_fit() -> None:
    text = (ROOT / "docs" / "http-tasks.md").read_text(encoding="utf-8")
    (task,) = re.findall(r"-d '(.*?)'$", text, re.MULTILINE | re.DOTALL)
    (payload,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)

    for each in (TaskCreation.model_validate_json(task).payload, json.loads(payload)):
        HttpRequest.model_validate(each)


def test_a_server_that_is_down_does_not_let_the_worker_rest(
    engine: Engine, start: Start, receiver: Receiver
) -> None:
    receiver.answer = lambda _: Reply(500)
    make(engine, 30, task_type="http", payload={"url": receiver.url}, retry_limit=0)
    (last,) = make(engine, task_type="default")
    worker = start("worker", HTTP_ALLOW_HOSTS=receiver.host, WORKER_CONCURRENCY="1")

    wait_for(lambda: row(engine, last)["status"] == "done")

    assert not [line for line in worker.log() if "rests" in line["event"]]
