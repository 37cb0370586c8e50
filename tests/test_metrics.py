"""What is counted, where it is shown, and that what the monitoring files name is there."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api import metrics as route
from api.main import build
from schema import counts
from schema.runtime import metrics
from schema.runtime.settings import Settings
from schema.runtime.transactions import transaction
from tests.api.process import api_process
from tests.api.requests import create, local_client
from tests.conftest import ROOT
from tests.processes import Start
from tests.rows import age_leases, claim, make, row
from tests.schema.test_views import enter_worker
from tests.waiting import wait_for
from tools.servers.ports import free_port

FILES = sorted((ROOT / "docs/monitoring").iterdir())
SUFFIXES = ("_bucket", "_total", "_sum", "_count")


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return each value by its name and its labels' values."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "FRESH_SECONDS", -1.0)


@pytest.fixture
def client(engine: Engine, running_api: TestClient) -> TestClient:  # noqa: ARG001  # empties the tables
    return running_api


@pytest.fixture(scope="module")
def running_api(database_url: str) -> Iterator[TestClient]:
    with local_client(build(lambda: Settings(database_url=database_url))) as opened:
        yield opened


def shown(client: TestClient) -> dict[tuple[str, ...], float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    return samples(response.text)


def test_the_api_shows_how_things_stand(client: TestClient, engine: Engine) -> None:
    enter_worker(engine)
    make(engine, 3, queue="a")
    claim(engine)
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)

    found = shown(client)

    assert found["rowlease_database_up",] == 1
    assert found["rowlease_queue_tasks", "a", "to_do"] == 2
    assert found["rowlease_queue_tasks", "a", "in_progress"] == 1
    assert 0 <= found["rowlease_queue_oldest_age_seconds", "a"] < 30
    assert (found["rowlease_workers", "alive"], found["rowlease_worker_slots", "alive"]) == (1, 10)
    assert found["rowlease_history_row_versions",] >= 0
    assert found["rowlease_streams",] == 0
    assert found["rowlease_reaper_lag_seconds",] == 0


def test_a_lease_that_nobody_takes_back_is_the_lag_of_the_reaper(
    client: TestClient, engine: Engine
) -> None:
    (task_id,) = make(engine)
    claim(engine)
    age_leases(engine, task_id)

    assert shown(client)["rowlease_reaper_lag_seconds",] > 0


def test_queues_beyond_a_number_share_one_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_QUEUES", 2)
    monkeypatch.setattr(metrics, "_met", set())

    assert [metrics.of_queue(name) for name in "abca"] == ["a", "b", metrics.OTHER_QUEUES, "a"]


def test_work_over_http_is_counted(client: TestClient, engine: Engine) -> None:
    make(engine, queue="remote")
    order = {"worker_id": "r", "queues": ["remote"]}
    [task] = client.post("/claims", json=order).json()
    end = {"id": task["id"], "fence": task["fence"], "outcome": "succeeded"}
    answer = client.post("/settlements", json={"worker_id": "r", "settlements": [end]})
    assert answer.json()[0]["answer"] == "taken", answer.text

    found = shown(client)
    assert found["rowlease_attempts_started_total", "remote"] == 1
    assert found["rowlease_attempts_finished_total", "succeeded", "remote"] == 1


def test_requests_and_created_tasks_are_counted(client: TestClient) -> None:
    request = ("rowlease_http_requests_total", "POST", "/tasks", "201")
    before = shown(client)
    create(client, queue="counted")
    create(client, queue="counted")
    after = shown(client)

    assert after[request] - before.get(request, 0) == 2
    assert after["rowlease_tasks_enqueued_total", "counted"] == 2


def test_no_address_of_a_client_becomes_a_label(client: TestClient) -> None:
    client.get("/no/such/address")
    client.get("/tasks/123456789")

    text = client.get("/metrics").text

    assert "/no/such" not in text
    assert "123456789" not in text


def test_several_processes_answer_for_all_of_them(database_url: str, engine: Engine) -> None:  # noqa: ARG001
    with api_process(database_url, WEB_CONCURRENCY="2") as process:
        process.wait_until_up("/readyz")
        for _ in range(20):
            process.client.get("/livez")
        texts = {process.client.get("/metrics").text for _ in range(4)}
        process.signal(signal.SIGTERM)  # its children would outlive a kill
        process.wait()

    livez = ("rowlease_http_requests_total", "GET", "/livez", "200")
    assert {samples(text)[livez] for text in texts} == {20}


def at(port: int) -> dict[tuple[str, ...], float]:
    return samples(httpx2.get(f"http://127.0.0.1:{port}/metrics").text)


def test_a_worker_counts_its_attempts(engine: Engine, start: Start) -> None:
    make(engine, 3, queue="a")
    (failing,) = make(engine, task_type="fail", retry_limit=0)
    port = free_port()
    start("worker", METRICS_PORT=str(port)).wait_for_event("worker started")
    wait_for(lambda: row(engine, failing)["status"] == "failed")

    wait_for(lambda: at(port).get(("rowlease_attempts_finished_total", "succeeded", "a")) == 3)
    found = at(port)

    assert found["rowlease_attempts_finished_total", "failed", "default"] == 1
    assert found["rowlease_attempts_started_total", "a"] == 3
    assert found["rowlease_attempt_waiting_seconds_count", "a"] == 3
    assert found["rowlease_attempt_running_seconds_count",] == 4
    assert found["rowlease_settle_seconds_count",] >= 1
    assert found["rowlease_claim_seconds_count",] >= 1


def test_a_reaper_counts_what_it_ends(engine: Engine, start: Start) -> None:
    (task_id,) = make(engine)
    claim(engine)
    age_leases(engine, task_id)
    port = free_port()
    start("reaper", METRICS_PORT=str(port)).wait_for_event("leases expired")

    wait_for(lambda: at(port).get(("rowlease_leases_expired_total", "over")) == 1)

    assert at(port)["rowlease_chore_last_success_timestamp_seconds", "sweeping"] > 1e9


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_metric_that_a_file_names_exists(client: TestClient, file: Path) -> None:
    named = set(re.findall(r"rowlease_\w+", file.read_text(encoding="utf-8")))
    text = client.get("/metrics").text
    known = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))

    assert len(named) > 5
    for name in named:
        plain = next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), name)
        assert {name, plain} & known, name


def test_every_alert_is_readable_yaml_with_a_summary() -> None:
    text = (ROOT / "docs/monitoring/alerts.yml").read_text(encoding="utf-8")

    assert text.count("- alert:") == text.count("expr:") == text.count("summary:")
