"""GET /workers."""

import os
import re
import signal
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from schema import workers
from schema.models.tasks import STATUS_INDEX
from schema.runtime.transactions import transaction
from schema.workers import MOST_GONE, MOST_TASKS, WorkerDescription
from tests.api.requests import faults
from tests.processes import Start
from tests.rows import claim, make, rows, succeed
from tests.waiting import wait_for

FIELDS = """id host pid version queues task_types slots status started_at last_heartbeat_at ended_at
busy tasks"""
TASK_FIELDS = "id title task_type queue started_at lease_expires_at"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


def register(engine: Engine, *names: str, **changes: str) -> None:
    """Register workers, each a minute after the one before, with changes as a DBA makes them."""
    description = WorkerDescription(
        host="host", pid=7, version="1", queues=["b", "a"], task_types=["y", "x"], slots=200
    )
    assignments = "".join(f", {column} = {value}" for column, value in changes.items())
    with transaction(engine) as connection:
        for minute, name in enumerate(names):
            workers.register(connection, name, description)
            started = f"started_at = '2026-01-01' + INTERVAL {minute} MINUTE"
            connection.exec_driver_sql(
                f"UPDATE workers SET {started}{assignments} WHERE id = '{name}'"
            )


def register_gone(engine: Engine, *names: str, status: str) -> None:
    register(engine, *names, status=f"'{status}'", ended_at="started_at")


def listed(client: TestClient, query: str = "") -> list[dict[str, Any]]:
    response = client.get(f"/workers?{query}")
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()
    return found


def ids(found: list[dict[str, Any]]) -> list[Any]:
    return [each["id"] for each in found]


def test_a_worker_has_these_fields(client: TestClient, engine: Engine) -> None:
    register(engine, "one")

    (worker,) = listed(client)

    assert set(worker) == set(FIELDS.split())
    assert worker["queues"] == ["b", "a"]
    assert worker["task_types"] == ["x", "y"]
    assert (worker["pid"], worker["slots"], worker["status"]) == (7, 200, "alive")
    assert worker["started_at"] == "2026-01-01T00:00:00Z"
    assert MOMENT.fullmatch(worker["last_heartbeat_at"])
    assert worker["ended_at"] is None
    assert (worker["busy"], worker["tasks"]) == (0, [])


def test_workers_come_the_latest_start_first(client: TestClient, engine: Engine) -> None:
    register(engine, "b", "c", "a")

    assert ids(listed(client)) == ["a", "c", "b"]


def test_there_may_be_none(client: TestClient) -> None:
    assert listed(client) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=alive", ["lives"]),
        ("status=dead&status=stopped", ["dead", "stopped"]),
        ("status=draining", []),
        ("", ["dead", "stopped", "lives"]),
    ],
)
def test_workers_are_filtered_by_status(
    client: TestClient, engine: Engine, query: str, expected: list[str]
) -> None:
    register(engine, "lives")
    register_gone(engine, "-", "stopped", status="stopped")
    register_gone(engine, "-", "-", "dead", status="dead")
    with transaction(engine) as connection:
        connection.exec_driver_sql("DELETE FROM workers WHERE id = '-'")

    assert ids(listed(client, query)) == expected


@pytest.mark.parametrize(
    ("query", "pointer"), [("status=busy", "/status/0"), ("queue=a", "/queue")]
)
def test_a_parameter_or_value_that_is_unknown_is_named(
    client: TestClient, query: str, pointer: str
) -> None:
    assert list(faults(client.get(f"/workers?{query}"))) == [pointer]


def test_a_worker_has_its_tasks_in_progress_the_oldest_first(
    client: TestClient, engine: Engine
) -> None:
    register(engine, "idle", "busy")
    done, first, second = make(engine, 3, title="标题", queue="q", task_type="t")
    succeed(engine, *claim(engine, worker_id="busy"))
    claim(engine, worker_id="busy")
    claim(engine, worker_id="busy")

    busy, idle = listed(client)

    assert (idle["busy"], idle["tasks"]) == (0, [])
    assert (busy["busy"], ids(busy["tasks"])) == (2, [first, second])
    assert done not in ids(busy["tasks"])
    task = busy["tasks"][0]
    assert set(task) == set(TASK_FIELDS.split())
    assert (task["title"], task["queue"], task["task_type"]) == ("标题", "q", "t")
    assert MOMENT.fullmatch(task["started_at"])
    assert task["started_at"] < task["lease_expires_at"]


def test_a_dead_worker_shows_what_it_still_holds(client: TestClient, engine: Engine) -> None:
    register_gone(engine, "dead", status="dead")
    (task_id,) = make(engine)
    claim(engine, worker_id="dead")

    (worker,) = listed(client, "status=dead")

    assert ids(worker["tasks"]) == [task_id]
    assert worker["ended_at"] == worker["started_at"]


def test_a_deleted_task_is_hidden_but_keeps_its_slot(client: TestClient, engine: Engine) -> None:
    register(engine, "one")
    deleted, kept = make(engine, 2)
    claim(engine, 2, worker_id="one")

    client.delete(f"/tasks/{deleted}")

    (worker,) = listed(client)
    assert (worker["busy"], ids(worker["tasks"])) == (2, [kept])


def test_many_tasks_are_counted_and_the_longest_running_listed(
    client: TestClient, engine: Engine
) -> None:
    register(engine, "one")
    made = make(engine, MOST_TASKS + 5)
    claim(engine, len(made), worker_id="one")

    (worker,) = listed(client)

    assert worker["busy"] == len(made)
    assert ids(worker["tasks"]) == made[:MOST_TASKS]


def test_those_that_live_are_all_listed_and_the_last_of_the_others(
    client: TestClient, engine: Engine
) -> None:
    register(engine, *(f"alive{number}" for number in range(MOST_GONE + 2)))
    names = [f"stopped{number}" for number in range(MOST_GONE + 2)]
    register_gone(engine, *names, status="stopped")
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            "UPDATE workers SET last_heartbeat_at = '2020-01-01'"
            " WHERE id IN ('stopped5', 'stopped6')"
        )

    found = listed(client)

    assert len([each for each in found if each["status"] == "alive"]) == MOST_GONE + 2
    assert set(names) - set(ids(found)) == {"stopped5", "stopped6"}


def test_tasks_are_found_through_the_status_index(engine: Engine) -> None:
    register(engine, "one")
    query = workers._LONGEST_HELD.params(ids=["one"]).compile(
        engine, compile_kwargs={"literal_binds": True}
    )

    plan = rows(engine, f"EXPLAIN FORMAT=TRADITIONAL {query}")

    assert STATUS_INDEX in {step["key"] for step in plan}


def test_a_real_worker_is_listed_while_it_runs_and_when_it_has_left(
    client: TestClient, engine: Engine, start: Start
) -> None:
    (task_id,) = make(engine, task_type="sleep", payload={"seconds": 30})
    process = start("worker", WORKER_QUEUES="default,mail", WORKER_CONCURRENCY="3")
    (worker,) = wait_for(lambda: [each for each in listed(client) if each["busy"]])

    assert worker["pid"] == process.pid
    assert worker["id"].startswith(f"{os.uname().nodename[:15]}:{process.pid}:")
    assert worker["queues"] == ["default", "mail"]
    assert {"default", "sleep", "fail"} <= set(worker["task_types"])
    assert (worker["slots"], ids(worker["tasks"])) == (3, [task_id])

    process.send(signal.SIGINT)
    wait_for(lambda: listed(client, "status=draining"))
    process.send(signal.SIGINT)

    assert process.wait() == 0
    (worker,) = listed(client, "status=stopped")
    assert worker["busy"] == 0
    assert MOMENT.fullmatch(worker["ended_at"])
