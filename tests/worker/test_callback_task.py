"""Delivering callbacks, to a server of ours and to the receiver of docs/callbacks.md."""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from schema.attempts import Failed, Succeeded
from schema.limits import CALLBACK_RETRY_SECONDS
from schema.runtime.settings import settings
from schema.runtime.transactions import transaction
from schema.states import Verb
from schema.verbs import Order, apply
from tests.conftest import ROOT
from tests.processes import Start
from tests.receiver import Receiver, Reply
from tests.rows import attempts, change, make, row, rows
from tests.waiting import wait_for
from tools.servers.ports import free_port
from worker.testing import Performance, perform

KEYS = [b"k" * 32, b"old" * 10]
SECRETS = [f"whsec_{base64.b64encode(key).decode()}" for key in KEYS]
EVENT = {"type": "task.done", "timestamp": "2026-11-22T08:16:03Z", "data": {"id": 7, "title": "数"}}


@pytest.fixture(autouse=True)
def signed(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  # resets the settings after us
    monkeypatch.setenv("CALLBACK_SECRET", ",".join(SECRETS))
    settings.cache_clear()


def deliver(receiver: Receiver, **task: Any) -> Performance:
    payload = {"url": receiver.url, "id": "msg_1", "event": EVENT}
    return perform("callback", payload, **task)


def failure(ended: Performance) -> Failed:
    assert isinstance(ended.outcome, Failed), ended
    return ended.outcome


def digest(key: bytes, headers: dict[str, str], body: bytes) -> str:
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def test_an_event_is_sent_and_signed_by_each_key(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(204)

    assert deliver(receiver).result == {"status": 204}

    (sent,) = receiver.received
    assert json.loads(sent.body) == EVENT
    assert (sent.method, sent.headers["content-type"]) == ("POST", "application/json")
    assert sent.headers["webhook-id"] == "msg_1"
    assert abs(int(sent.headers["webhook-timestamp"]) - time.time()) < 20
    assert sent.headers["webhook-signature"].split() == [
        digest(key, sent.headers, sent.body) for key in KEYS
    ]


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
def test_what_is_not_taken_is_sent_again_later_and_later(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _: Reply(status, headers={"location": "/"})

    waits = []
    for attempt in range(1, len(CALLBACK_RETRY_SECONDS) + 1):
        failed = failure(deliver(receiver, attempt=attempt))
        assert (failed.for_good, failed.is_outside) == (False, True)
        assert failed.failure.error_class == "Undelivered"
        assert failed.failure.message.startswith(f"127.0.0.1 answered {status}")
        waits.append(failed.retry_seconds or 0)

    assert all(
        least <= wait <= 1.1 * least
        for least, wait in zip(CALLBACK_RETRY_SECONDS, waits, strict=True)
    )
    assert sum(CALLBACK_RETRY_SECONDS) > 86_400


def test_a_receiver_may_ask_for_more_time(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(503, headers={"retry-after": "900"})

    assert failure(deliver(receiver)).retry_seconds == 900


def test_a_receiver_that_is_gone_gets_no_more(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(410)

    assert failure(deliver(receiver)).for_good


def test_a_receiver_that_is_down_gets_it_later(receiver: Receiver) -> None:
    receiver.server.socket.close()

    failed = failure(deliver(receiver))

    assert not failed.for_good
    assert 5 <= (failed.retry_seconds or 0) <= 5.5


def test_private_addresses_are_not_called(receiver: Receiver) -> None:
    payload = {"url": f"http://localhost:{receiver.port}/", "id": "msg_1", "event": EVENT}

    assert failure(perform("callback", payload)).for_good
    assert receiver.received == []


def test_without_a_secret_nothing_is_sent(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBACK_SECRET", "")
    settings.cache_clear()

    failed = failure(deliver(receiver))

    assert "CALLBACK_SECRET is not set" in failed.failure.message
    assert not failed.for_good
    assert receiver.received == []


def callback_of(engine: Engine, task_id: int) -> int:
    query = f"SELECT id FROM tasks WHERE callback_of = {task_id}"
    return int(wait_for(lambda: rows(engine, query))[0]["id"])


def test_a_worker_tells_of_the_ends_that_it_writes(
    engine: Engine, start: Start, receiver: Receiver
) -> None:
    (good,) = make(engine, callback_url=receiver.url, title="数")
    (bad,) = make(engine, callback_url=receiver.url, task_type="fail", retry_limit=0)
    make(engine)
    start("worker", HTTP_ALLOW_HOSTS=receiver.host)

    wait_for(lambda: len(receiver.received) == 2)

    events = sorted(
        (json.loads(each.body) for each in receiver.received), key=lambda each: each["data"]["id"]
    )
    assert [(each["type"], each["data"]["id"]) for each in events] == [
        ("task.done", good),
        ("task.failed", bad),
    ]
    assert (events[0]["data"]["title"], events[0]["data"]["status"]) == ("数", "done")
    wait_for(lambda: row(engine, callback_of(engine, good))["status"] == "done")


def test_retries_and_a_new_start_send_the_same_id(
    engine: Engine, start: Start, receiver: Receiver
) -> None:
    replies = iter([Reply(500), Reply(200), Reply(200)])
    receiver.answer = lambda _: next(replies)
    (task_id,) = make(engine, callback_url=receiver.url, hold=True)
    change(engine, task_id, "status = 'to_do'")
    start("worker", HTTP_ALLOW_HOSTS=receiver.host)
    callback_id = callback_of(engine, task_id)

    wait_for(lambda: row(engine, callback_id)["status"] == "retrying")
    change(engine, callback_id, "available_at = UTC_TIMESTAMP(6)")
    wait_for(lambda: row(engine, callback_id)["status"] == "done")
    # As a delivery that failed for good would be, so that it may be started again.
    change(engine, callback_id, "status = 'failed', completed_at = NULL")
    with transaction(engine) as connection:
        apply(connection, Order(Verb.START, "somebody"), [callback_id])
    wait_for(lambda: len(receiver.received) == 3)

    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1
    assert len({each.body for each in receiver.received}) == 1


def test_a_callback_survives_the_worker_that_sends_it(
    engine: Engine, start: Start, receiver: Receiver
) -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(_: object) -> Reply:
        asked.set()
        over.wait(20)
        return Reply()

    receiver.answer = hang
    (task_id,) = make(engine, callback_url=receiver.url)
    worker = start("worker", HTTP_ALLOW_HOSTS=receiver.host)
    assert asked.wait(20)
    worker.send(signal.SIGKILL)
    worker.wait()
    over.set()
    receiver.answer = lambda _: Reply()
    callback_id = callback_of(engine, task_id)
    change(engine, callback_id, "lease_expires_at = UTC_TIMESTAMP(6)")
    start("worker", HTTP_ALLOW_HOSTS=receiver.host)
    start("reaper")

    wait_for(lambda: row(engine, callback_id)["status"] == "retrying")
    change(engine, callback_id, "available_at = UTC_TIMESTAMP(6)")
    wait_for(lambda: row(engine, callback_id)["status"] == "done")

    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1
    assert [each["outcome"] for each in attempts(engine, callback_id)][-1] == "succeeded"


@pytest.fixture
def documented(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The receiver of the page as a process, and where it listens."""
    text = (ROOT / "docs" / "callbacks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 25
    script = tmp_path / "receiver.py"
    script.write_text(code)
    port = free_port()
    environment = os.environ | {"CALLBACK_SECRET": SECRETS[1], "PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield process, f"127.0.0.1:{port}"
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_the_receiver_of_the_page_takes_what_is_genuine_and_nothing_else(
    documented: tuple[subprocess.Popen[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, host = documented
    monkeypatch.setenv("HTTP_ALLOW_HOSTS", host)
    settings.cache_clear()
    payload = {"url": f"http://{host}/", "id": "msg_1", "event": EVENT}
    wait_for(lambda: isinstance(perform("callback", payload).outcome, Succeeded))
    assert process.stdout is not None
    assert process.stdout.readline() == "msg_1 task.done 7\n"

    monkeypatch.setenv("CALLBACK_SECRET", SECRETS[0])  # not the receiver's
    settings.cache_clear()

    assert "answered 401" in failure(perform("callback", payload)).failure.message
