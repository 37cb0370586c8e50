"""The dispatcher over HTTP, and where it shows that it is stopped."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from schema import counts, workers
from schema.runtime.transactions import transaction
from schema.workers import WorkerDescription
from tests.api.requests import create, faults
from tests.rows import change, claim, fail, limit, make, succeed
from tests.schema.test_counts import put

FIELDS = """is_running reason since total_tasks pending_tasks running_tasks paused_tasks
completed_tasks error_tasks cancelled_tasks counted_at current_running_task
current_running_tasks"""


@pytest.fixture(autouse=True)
def runs_afterwards(client: TestClient) -> Iterator[None]:
    """Lets the dispatcher run again afterwards."""
    yield
    client.post("/dispatcher/start")


def status(client: TestClient) -> dict[str, Any]:
    response = client.get("/dispatcher/status")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def count(engine: Engine) -> None:
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)


def test_it_tells_how_many_tasks_there_are(client: TestClient, engine: Engine) -> None:
    statuses = ["to_do", "to_do", "retrying", "paused", "done", "done", "failed", "cancelled"]
    for task_id, each in zip(make(engine, len(statuses)), statuses, strict=True):
        put(engine, task_id, each)
    count(engine)
    claim(engine)

    found = status(client)

    assert set(found) == set(FIELDS.split())
    assert found["is_running"] is True
    numbers = {name: value for name, value in found.items() if name.endswith("_tasks")}
    numbers.pop("current_running_tasks")
    assert numbers == {
        "total_tasks": 9,
        "pending_tasks": 3,
        "running_tasks": 1,
        "paused_tasks": 1,
        "completed_tasks": 2,
        "error_tasks": 1,
        "cancelled_tasks": 1,
    }
    assert found["counted_at"].endswith("Z")


def test_it_names_what_runs_the_longest_first(client: TestClient, engine: Engine) -> None:
    assert status(client)["current_running_task"] is None
    first, second = (*make(engine, account_id="a"), *make(engine))
    claim(engine)
    claim(engine)

    found = status(client)

    assert found["running_tasks"] == 2
    longest = found["current_running_task"]
    assert longest == {"task_id": first, "account_id": "a", "started_at": longest["started_at"]}
    assert longest["started_at"].endswith("Z")
    assert [task["task_id"] for task in found["current_running_tasks"]] == [first, second]


def test_a_stop_lets_what_runs_finish_and_claims_nothing_more(
    client: TestClient, engine: Engine
) -> None:
    make(engine, 2)
    (running,) = claim(engine)

    response = client.post("/api/v1/dispatcher/stop", json={"reason": "the disk is full"})

    assert response.status_code == 200
    stopped = response.json()
    assert (stopped["is_running"], stopped["reason"]) == (False, "the disk is full")
    assert stopped["running_tasks"] == 1
    assert claim(engine) == []
    assert succeed(engine, running) == []

    assert client.post("/dispatcher/start").json()["is_running"] is True
    assert len(claim(engine)) == 1


@pytest.mark.parametrize("verb", ["start", "stop"])
def test_a_goal_that_holds_changes_nothing(client: TestClient, verb: str) -> None:
    first = client.post(f"/dispatcher/{verb}", json={"reason": "one"}).json()

    second = client.post(f"/dispatcher/{verb}", json={"reason": "two"})

    assert (second.status_code, second.json()) == (200, first)


@pytest.mark.parametrize("reason", [5, "a" * 501, "\0"])
def test_a_reason_that_cannot_be_kept_is_refused(client: TestClient, reason: Any) -> None:
    response = client.post("/dispatcher/stop", json={"reason": reason})

    assert list(faults(response)) == ["/reason"]
    assert status(client)["is_running"] is True


def test_readyz_says_whether_it_runs(client: TestClient) -> None:
    assert client.get("/readyz").json() == {"status": "ok", "dispatcher": "running"}
    client.post("/dispatcher/stop")

    response = client.get("/readyz")

    assert (response.status_code, response.json()["dispatcher"]) == (200, "stopped")


class TestWhatATaskWaitsFor:
    @pytest.fixture(autouse=True)
    def worker(self, client: TestClient, engine: Engine) -> None:  # noqa: ARG002  # empties first
        """A worker that lives."""
        description = WorkerDescription("host", 1, "0", ["*"], ["default"], 10)
        with transaction(engine) as connection:
            workers.register(connection, "w", description)

    def waits_for(self, client: TestClient, task_id: int) -> Any:
        return client.get(f"/tasks/{task_id}/status").json()["waits_for"]

    def test_its_turn(self, client: TestClient) -> None:
        assert self.waits_for(client, create(client)["id"]) == "turn"

    def test_the_dispatcher(self, client: TestClient) -> None:
        task = create(client)
        client.post("/dispatcher/stop")

        assert self.waits_for(client, task["id"]) == "dispatcher"

    def test_a_worker(self, client: TestClient, engine: Engine) -> None:
        task = create(client)
        with transaction(engine) as connection:
            workers.drain(connection, "w")

        assert self.waits_for(client, task["id"]) == "worker"

    @pytest.mark.parametrize(
        ("columns", "expected"),
        [
            ({"is_paused": 1, "paused_at": "UTC_TIMESTAMP(6)"}, "paused_queue"),
            ({"max_concurrency": 1}, "max_concurrency"),
            ({"max_concurrency": 2}, "turn"),
            ({"rate_limit": 1, "rate_tokens": 0.5, "rate_refilled_at": "NOW(6)"}, "rate_limit"),
        ],
    )
    def test_its_queue(
        self, client: TestClient, engine: Engine, columns: dict[str, Any], expected: str
    ) -> None:
        make(engine, queue="q")
        claim(engine)
        (task_id,) = make(engine, queue="q")
        limit(engine, "q", rate_period_seconds=3600, **columns)

        assert self.waits_for(client, task_id) == expected

    def test_its_moment(self, client: TestClient, engine: Engine) -> None:
        (task_id,) = make(engine)
        fail(engine, *claim(engine))
        change(engine, task_id, "available_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR")

        assert self.waits_for(client, task_id) == "available_at"

    @pytest.mark.parametrize("hold", [True, False])
    def test_nothing_that_does_not_wait(
        self, client: TestClient, engine: Engine, *, hold: bool
    ) -> None:
        task = create(client, hold=hold)
        claim(engine)

        assert self.waits_for(client, task["id"]) is None
