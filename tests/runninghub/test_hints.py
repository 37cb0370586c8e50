"""Webhooks of RunningHub: they let a worker look earlier, and are believed in nothing."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api.database import Database
from api.runninghub import HOOK_BYTES
from schema import hints
from schema.runtime.runninghub import hooks
from schema.runtime.runninghub.keys import HubKey, parse
from schema.runtime.settings import Settings, settings
from schema.runtime.transactions import transaction
from tests.api.process import api_process
from tests.api.requests import local_client, problem
from tests.processes import Start
from tests.rows import row
from tests.runninghub.conftest import hub_settings
from tests.runninghub.hub import KEY, OTHER_KEY, Hub
from tests.runninghub.tasks import make_workflow, started, text_payload, wait_for_status
from tests.waiting import wait_for
from worker.testing import perform

RARELY = {"STATUS_CHECK_INTERVAL": "600"}
"""Seconds from one look to the next: longer than a test may take."""

OURS, OTHER = HubKey("first", KEY), HubKey("second", OTHER_KEY)


def address(task_id: int, key: HubKey = OURS) -> str:
    found = hooks.address("", key, task_id)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def public(database_url: str, listening: Hub) -> Iterator[str]:
    """Where others reach the API."""
    with api_process(database_url, **hub_settings(listening)) as process:
        process.wait_until_up()
        yield str(process.client.base_url)


def running(engine: Engine, start: Start, hub: Hub, **environment: str) -> int:
    """Return a task whose run goes on, and which is looked at once in ten minutes."""
    hub.script(queue_seconds=0, run_seconds=1)
    task_id = make_workflow(engine, text_payload("x"))
    started(start, **RARELY, **environment)
    wait_for(lambda: row(engine, task_id)["stage"] == "RUNNING")
    return task_id


def test_a_webhook_makes_the_next_look_come_at_once(
    engine: Engine, start: Start, hub: Hub, public: str
) -> None:
    task_id = running(engine, start, hub, PUBLIC_URL=public)

    hub.step(10)

    wait_for_status(engine, task_id, "done")
    assert hub.double.calls["webhook"] == 1
    assert hub.double.calls["outputs"] == 2


def test_a_false_webhook_costs_one_look_and_changes_nothing(
    engine: Engine, start: Start, hub: Hub, public: str
) -> None:
    task_id = running(engine, start, hub, PUBLIC_URL=public)

    false = httpx2.post(f"{hub.url}/double/webhooks", json={"run": hub.runs[0].id})

    assert false.json() == {"status": 200}
    wait_for(lambda: hub.double.calls["outputs"] == 2)
    found = row(engine, task_id)
    assert (found["status"], found["stage"]) == ("in_progress", "RUNNING")


def test_each_hint_is_heard_once(
    client: TestClient, engine: Engine, start: Start, hub: Hub
) -> None:
    task_id = running(engine, start, hub)
    for looks in (2, 3):
        client.post(address(task_id))
        wait_for(lambda: hub.double.calls["outputs"] == looks)  # noqa: B023

    seen = [each["last_heartbeat_at"] for each in _workers(engine)]
    wait_for(lambda: [each["last_heartbeat_at"] for each in _workers(engine)] > seen)
    assert hub.double.calls["outputs"] == 3


def _workers(engine: Engine) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [
            dict(each) for each in connection.exec_driver_sql("SELECT * FROM workers").mappings()
        ]


@pytest.mark.parametrize("body", [b"", b"{", b'{"event": "TASK_END", "eventData": 5}', b"\xff"])
def test_every_body_is_answered_the_same(client: TestClient, engine: Engine, body: bytes) -> None:
    response = client.post(address(7), content=body)

    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    with engine.connect() as connection:
        assert 7 in hints.noted(connection)
    problem(client.post(address(7), content=bytes(HOOK_BYTES + 1)), 413, "body_too_large")


@pytest.mark.parametrize(
    "wrong",
    [
        address(7)[:-1],
        f"{address(7)}0",
        address(7).replace("/7-", "/8-"),
        address(7).replace("/7-", "/07-"),
        address(7, HubKey("first", "another")),
        f"{hooks.PATH}/7",
        f"{hooks.PATH}/x",
        f"{hooks.PATH}/{'9' * 5_000}-",
    ],
)
def test_a_wrong_address_is_not_found_and_asks_nobody(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    def ask(*_: Any) -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(Database, "write", ask)
    monkeypatch.setattr(Database, "read", ask)

    problem(client.post(wrong), 404, "not_found")


def test_who_guesses_is_refused_after_a_while(running_api: TestClient) -> None:
    guessing = local_client(running_api.app, "127.0.0.9")

    wait_for(lambda: guessing.post(f"{hooks.PATH}/7-{'0' * 32}").status_code == 429)

    assert running_api.post(f"{hooks.PATH}/7").status_code == 404


def test_one_task_is_hinted_at_only_so_often(client: TestClient) -> None:
    wait_for(lambda: client.post(address(9)).status_code == 429, seconds=60)

    problem(client.post(address(9)), 429, "too_many")
    assert client.post(address(8, OTHER)).status_code == 200


def test_addresses_are_told_apart_by_key_and_task() -> None:
    tokens = {
        address(task_id, key).rpartition("/")[2] for key in (OURS, OTHER) for task_id in (1, 2)
    }

    assert len(tokens) == 4
    assert {hooks.task_of(token, parse(f"a={KEY},b={OTHER_KEY}")) for token in tokens} == {1, 2}
    assert [hooks.task_of(token, ()) for token in tokens] == [None] * 4


def test_a_webhook_is_asked_for_where_there_is_a_public_address(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.script(queue_seconds=0, run_seconds=0, end="empty")
    payload = text_payload("x")
    perform("runninghub", payload, queue="runninghub", timeout_seconds=2_400)
    monkeypatch.setenv("PUBLIC_URL", "http://127.0.0.1:1/api/")
    settings.cache_clear()
    perform("runninghub", payload, queue="runninghub", timeout_seconds=2_400)

    first, second = [run.webhook for run in hub.runs]
    assert first is None
    assert second is not None
    assert second.startswith(f"http://127.0.0.1:1/api{hooks.PATH}/1-")
    assert KEY not in second


@pytest.mark.parametrize(
    "url", ["example.org", "ftp://x", "https://x?y=1", "https://x/#a", "https://x y"]
)
def test_a_public_address_is_one(url: str) -> None:
    with pytest.raises(ValueError, match="as others reach it"):
        Settings(database_url="mysql://h/d", public_url=url)
    assert Settings(database_url="mysql://h/d", public_url="").public_url is None


def test_old_hints_make_room_for_new_ones(engine: Engine) -> None:
    with transaction(engine) as connection:
        for task_id in range(1, 2 * hints.MOST + 2):
            hints.note(connection, task_id)
        kept = hints.noted(connection)

    assert len(kept) <= hints.MOST
    assert 2 * hints.MOST + 1 in kept
