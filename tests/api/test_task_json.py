"""A task as JSON."""

import re

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from schema.attempts import Succeeded
from schema.states import Status, state_of
from tests.api.requests import create
from tests.rows import change, claim, end, ended, fail, make

FIELDS = """id title description status state stopping priority tags due_date timeout_seconds
retry_limit current_retry_count created_at updated_at completed_at queue task_type account_id
available_at worker_id fence lease_expires_at started_at finished_at stage progress last_error
error_class crash_count unique_key schedule_id batch_id callback_url callback_of traceparent
workflow_name node_count version allowed_actions payload result checkpoint"""

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


def test_a_task_has_these_fields_and_no_internal_ones(client: TestClient) -> None:
    assert set(create(client)) == set(FIELDS.split())


def test_a_running_task_shows_its_lease(client: TestClient, engine: Engine) -> None:
    (task_id,) = make(engine)
    claim(engine, worker_id="host:1:abc")

    task = client.get(f"/tasks/{task_id}").json()

    assert (task["status"], task["state"], task["stopping"]) == ("in_progress", "RUNNING", False)
    assert (task["worker_id"], task["fence"]) == ("host:1:abc", 1)
    assert MOMENT.fullmatch(task["lease_expires_at"])
    assert MOMENT.fullmatch(task["started_at"])
    assert task["progress"] is None


def test_progress_has_percent_and_message(client: TestClient, engine: Engine) -> None:
    (task_id,) = make(engine)
    claim(engine)
    change(engine, task_id, "progress = 33.25, progress_message = 'a third', stage = 'QUEUED'")

    task = client.get(f"/tasks/{task_id}").json()

    assert task["progress"] == {"percent": 33.25, "message": "a third"}
    assert (task["stage"], task["state"]) == ("QUEUED", "QUEUED")


def test_a_progress_of_nothing_is_a_progress(client: TestClient, engine: Engine) -> None:
    (task_id,) = make(engine)
    claim(engine)
    change(engine, task_id, "progress = 0")

    assert client.get(f"/tasks/{task_id}").json()["progress"] == {"percent": 0, "message": None}


def test_a_task_that_is_asked_to_stop_says_so(client: TestClient, engine: Engine) -> None:
    (task_id,) = make(engine)
    claim(engine)
    change(engine, task_id, "stop_requested_at = UTC_TIMESTAMP(6)")

    assert client.get(f"/tasks/{task_id}").json()["stopping"] is True


def test_a_done_task_has_its_result(client: TestClient, engine: Engine) -> None:
    (task_id,) = make(engine)
    (claimed,) = claim(engine)
    end(engine, ended(claimed, Succeeded('{"answer": 42}')))

    task = client.get(f"/tasks/{task_id}").json()

    assert (task["status"], task["state"]) == ("done", "SUCCESS")
    assert task["result"] == {"answer": 42}
    assert task["completed_at"] == task["finished_at"]


def test_a_failed_attempt_shows_its_error(client: TestClient, engine: Engine) -> None:
    (task_id,) = make(engine, retry_limit=0)
    fail(engine, *claim(engine))

    task = client.get(f"/tasks/{task_id}").json()

    assert (task["status"], task["state"]) == ("failed", "FAILED")
    assert (task["error_class"], task["last_error"]) == ("ValueError", "boom")


def test_a_checkpoint_is_shown(client: TestClient, engine: Engine) -> None:
    (task_id,) = make(engine)
    change(engine, task_id, """checkpoint = '{"page": 3}'""")

    assert client.get(f"/tasks/{task_id}").json()["checkpoint"] == {"page": 3}


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_word_of_the_documents(status: Status) -> None:
    assert state_of(status, None)
