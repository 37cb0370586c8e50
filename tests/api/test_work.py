"""POST /claims, /heartbeats and /settlements."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import Engine
from starlette.testclient import TestClient

from schema import workers
from schema.runtime.transactions import run, transaction
from tests.api.requests import create, faults, problem
from tests.files import referring
from tests.rows import age_leases, attempts, change, limit, make, remove, row, rows, sweep
from tests.waiting import wait_for

WORKER = "host:7:abc"


def claim(client: TestClient, **order: Any) -> list[dict[str, Any]]:
    response = client.post("/claims", json={"worker_id": WORKER} | order)
    assert response.status_code == 200, response.text
    claimed: list[dict[str, Any]] = response.json()
    return claimed


def lease(task: dict[str, Any]) -> dict[str, int]:
    return {"id": task["id"], "fence": task["fence"]}


def beat(client: TestClient, *tasks: dict[str, Any], **how: Any) -> Response:
    return client.post("/heartbeats", json={"worker_id": WORKER, "tasks": list(tasks)} | how)


def settle(client: TestClient, *ends: dict[str, Any], worker_id: str = WORKER) -> list[str]:
    content = {"worker_id": worker_id, "settlements": list(ends)}
    response = client.post("/settlements", json=content)
    assert response.status_code == 200, response.text
    return [each["answer"] for each in response.json()]


def succeeded(task: dict[str, Any], **more: Any) -> dict[str, Any]:
    return lease(task) | {"outcome": "succeeded"} | more


def test_a_claim_brings_all_that_a_handler_needs(client: TestClient) -> None:
    created = create(client, payload={"a": [1]}, tags=["b", "a"], account_id="客", retry_limit=1)

    (task,) = claim(client, slots=5)

    same = ("id", "title", "task_type", "queue", "account_id", "payload", "tags", "retry_limit")
    assert {name: task[name] for name in same} == {name: created[name] for name in same}
    assert (task["fence"], task["attempt"], task["checkpoint"]) == (1, 1, None)
    shown = client.get(f"/tasks/{task['id']}").json()
    assert (shown["status"], shown["worker_id"]) == ("in_progress", WORKER)
    assert shown["lease_expires_at"] == task["lease_expires_at"]
    assert claim(client) == []


def test_a_worker_over_http_is_a_worker_like_any_other(client: TestClient) -> None:
    create(client)
    order = {"queues": ["a", "*", "-b"], "task_types": ["default"], "host": "h", "pid": 7}
    (task,) = claim(client, slots=3, **order)

    (shown,) = client.get("/workers").json()

    assert (shown["id"], shown["host"], shown["pid"], shown["slots"]) == (WORKER, "h", 7, 3)
    assert (shown["queues"], shown["status"]) == (["a", "*", "-b"], "alive")
    assert [each["id"] for each in shown["tasks"]] == [task["id"]]


def test_a_worker_reads_files_and_makes_some_its_tasks(client: TestClient, engine: Engine) -> None:
    given = client.post("/files", files={"file": ("a", b"abc")}).json()["id"]
    create(client, payload={"file": given})
    (task,) = claim(client)

    content = client.get(f"/files/{task['payload']['file']}").content.upper()
    made = client.post("/files", files={"file": ("b", content)}).json()["id"]

    assert settle(client, succeeded(task, result={"file": made})) == ["taken"]
    assert referring(engine) == {(task["id"], given), (task["id"], made)}


def test_queues_are_taken_in_order_and_limits_hold(client: TestClient, engine: Engine) -> None:
    for queue in ("a", "b", "c"):
        create(client, title=queue, queue=queue)
    limit(engine, "b", max_concurrency=0)

    assert [task["title"] for task in claim(client, slots=9, queues=["c", "b", "a"])] == ["c", "a"]
    assert claim(client, queues=["-b", "*"]) == []


def test_a_type_that_the_worker_cannot_run_is_given_back(
    client: TestClient, engine: Engine
) -> None:
    other = create(client, task_type="other")["id"]
    mine = create(client, task_type="mine")["id"]

    assert [task["id"] for task in claim(client, slots=2, task_types=["mine"])] == [mine]

    given_back = row(engine, other)
    assert (given_back["status"], given_back["current_retry_count"]) == ("to_do", 0)
    assert given_back["error_class"] == "UnknownTaskType"
    assert claim(client, slots=2) == []


def test_a_claim_waits_for_a_task(client: TestClient, engine: Engine) -> None:
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(claim, client, wait=20)
        wait_for(lambda: rows(engine, "SELECT id FROM workers"))
        (task_id,) = make(engine)
        (task,) = waiting.result(10)

    assert task["id"] == task_id
    assert claim(client, wait=0.1) == []


def test_leases_of_a_claim_whose_answer_was_lost_are_given_back(
    client: TestClient, engine: Engine
) -> None:
    make(engine, 2)
    kept, lost = claim(client, slots=2)

    (again,) = claim(client, slots=2, holding=[lease(kept)])

    assert (again["id"], again["fence"], again["attempt"]) == (lost["id"], lost["fence"] + 1, 1)
    assert [each["outcome"] for each in attempts(engine, lost["id"])] == ["released"]


def test_progress_and_checkpoints_come_with_the_heartbeat(
    client: TestClient, engine: Engine
) -> None:
    make(engine, retry_limit=1)
    (task,) = claim(client)
    said = {"percent": 50, "message": "half", "stage": "QUEUED", "checkpoint": {"page": 3}}

    assert beat(client, lease(task) | said).json() == []

    shown = client.get(f"/tasks/{task['id']}").json()
    assert (shown["progress"], shown["state"]) == ({"percent": 50, "message": "half"}, "QUEUED")
    settle(client, lease(task) | {"outcome": "failed", "message": "no"})
    change(engine, task["id"], "available_at = '2026-01-01'")
    assert claim(client)[0]["checkpoint"] == {"page": 3}


def test_a_heartbeat_tells_what_to_end(client: TestClient, engine: Engine) -> None:
    make(engine, 4)
    stopped, deleted, expired, fine = claim(client, slots=4)
    client.post(f"/tasks/{stopped['id']}/stop")
    remove(engine, deleted["id"])
    age_leases(engine, expired["id"])
    sweep(engine)

    told = beat(client, *(lease(task) for task in (fine, expired, deleted, stopped))).json()

    assert told == [
        lease(stopped) | {"reason": "stopped"},
        lease(deleted) | {"reason": "stopped"},
        lease(expired) | {"reason": "lost"},
    ]
    for task in (stopped, deleted):
        assert settle(client, lease(task) | {"outcome": "failed", "message": "told to"}) == [
            "taken"
        ]
    assert row(engine, stopped["id"])["status"] == "cancelled"
    assert row(engine, deleted["id"]) == {}


def test_every_outcome_is_written(client: TestClient, engine: Engine) -> None:
    make(engine, 6)
    tasks = claim(client, slots=6)
    ends: list[dict[str, Any]] = [
        {"outcome": "succeeded", "result": {"x": 1}, "enqueue": [{"title": "next"}]},
        {"outcome": "failed", "message": "boom", "error_class": "E", "traceback": "at line 1"},
        {"outcome": "failed", "message": "never", "for_good": True},
        {"outcome": "snoozed", "seconds": 60},
        {"outcome": "held", "reason": "look"},
        {"outcome": "released"},
    ]

    answers = settle(client, *(lease(task) | end for task, end in zip(tasks, ends, strict=True)))

    assert answers == ["taken"] * 6
    read = [client.get(f"/tasks/{task['id']}").json() for task in tasks]
    statuses = ["done", "retrying", "failed", "to_do", "paused", "to_do"]
    assert [task["status"] for task in read] == statuses
    assert (read[0]["result"], read[1]["last_error"], read[1]["error_class"]) == (
        {"x": 1},
        "boom",
        "E",
    )
    words = [attempts(engine, task["id"])[0]["outcome"] for task in tasks]
    assert words == ["succeeded", "failed", "failed", "snoozed", "held", "released"]
    assert [each["title"] for each in client.get("/tasks?q=next").json()] == ["next"]


def test_an_end_is_taken_once_and_told_again(client: TestClient, engine: Engine) -> None:
    make(engine)
    (task,) = claim(client)

    assert settle(client, succeeded(task), succeeded(task)) == ["taken", "taken"]
    assert settle(client, succeeded(task)) == ["taken"]
    assert settle(client, lease(task) | {"outcome": "failed", "message": "no"}) == ["lost"]
    assert len(attempts(engine, task["id"])) == 1


def test_an_end_without_a_lease_changes_nothing(client: TestClient, engine: Engine) -> None:
    make(engine, 3)
    expired, foreign, fine = claim(client, slots=3)
    age_leases(engine, expired["id"])
    sweep(engine)
    before = row(engine, expired["id"])

    assert settle(client, succeeded(expired), succeeded(fine)) == ["lost", "taken"]
    assert settle(client, succeeded(foreign), worker_id="another") == ["lost"]
    assert settle(client, {"id": foreign["id"], "fence": 9, "outcome": "released"}) == ["lost"]
    assert row(engine, expired["id"]) == before
    assert row(engine, foreign["id"])["status"] == "in_progress"


def test_no_end_is_written_where_a_task_cannot_be_created(
    client: TestClient, engine: Engine
) -> None:
    make(engine, 2)
    one, two = claim(client, slots=2)
    holder = create(client, unique_key="k")["id"]
    end = succeeded(two, enqueue=[{"title": "next", "unique_key": "k"}])

    content = {"worker_id": WORKER, "settlements": [succeeded(one), end]}
    refused = problem(client.post("/settlements", json=content), 409, "unique_key_taken")

    assert refused["existing_id"] == holder
    assert {row(engine, task["id"])["status"] for task in (one, two)} == {"in_progress"}


def test_a_silent_worker_dies_and_must_begin_anew(client: TestClient, engine: Engine) -> None:
    make(engine)
    (task,) = claim(client)
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE workers SET last_heartbeat_at = '2026-01-01'")
    assert run(engine, lambda each: workers.bury(each, dead_seconds=10)) == [WORKER]

    problem(beat(client, lease(task)), 409, "worker_gone")
    problem(client.post("/claims", json={"worker_id": WORKER}), 409, "worker_gone")
    problem(beat(client, worker_id="never:1:seen"), 409, "worker_gone")
    assert claim(client, worker_id="host:7:new") == []


def test_a_worker_says_that_it_leaves(client: TestClient, engine: Engine) -> None:
    make(engine)
    (task,) = claim(client)

    assert beat(client, status="draining").json() == []
    assert client.get("/workers").json()[0]["status"] == "draining"
    assert beat(client, lease(task), status="stopped").status_code == 200
    assert client.get("/workers").json()[0]["status"] == "stopped"


def test_a_body_of_eight_mebibytes_is_taken(client: TestClient, engine: Engine) -> None:
    make(engine, 7)
    tasks = claim(client, slots=7)

    answers = settle(client, *(succeeded(task, result="x" * 1_000_000) for task in tasks))

    assert answers == ["taken"] * 7


@pytest.mark.parametrize(
    ("path", "content", "pointer"),
    [
        ("/claims", {}, "/worker_id"),
        ("/claims", {"worker_id": "a b"}, "/worker_id"),
        ("/claims", {"worker_id": "a" * 33}, "/worker_id"),
        ("/claims", {"worker_id": "a", "slots": 101}, "/slots"),
        ("/claims", {"worker_id": "a", "wait": 31}, "/wait"),
        ("/claims", {"worker_id": "a", "queues": []}, "/queues"),
        ("/claims", {"worker_id": "a", "queues": ["a,b"]}, "/queues/0"),
        ("/claims", {"worker_id": "a", "holding": [{"id": 1}]}, "/holding/0/fence"),
        ("/heartbeats", {"worker_id": "a", "status": "dead"}, "/status"),
        (
            "/heartbeats",
            {"worker_id": "a", "tasks": [{"id": 1, "fence": 1, "percent": 101}]},
            "/tasks/0/percent",
        ),
        ("/settlements", {"worker_id": "a", "settlements": []}, "/settlements"),
    ],
)
def test_what_cannot_be_taken_is_named(
    client: TestClient, path: str, content: dict[str, Any], pointer: str
) -> None:
    assert list(faults(client.post(path, json=content))) == [pointer]


def test_a_name_that_is_too_long_is_measured_in_characters(client: TestClient) -> None:
    response = client.post("/claims", json={"worker_id": "a" * 33})

    assert faults(response) == {"/worker_id": "it can have at most 32 characters"}


@pytest.mark.parametrize("outcome", ["failed", "snoozed", "held"])
def test_an_outcome_says_what_it_must(client: TestClient, outcome: str) -> None:
    end = {"id": 1, "fence": 1, "outcome": outcome}
    content = {"worker_id": "a", "settlements": [end]}

    assert list(faults(client.post("/settlements", json=content))) == ["/settlements/0"]
