"""Why a task is not running, over HTTP."""

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api.explanations import TEXTS, explained
from schema.waiting import WaitsFor
from schema.why import Standing
from tests.api.requests import create, problem
from tests.rows import claim, limit, make
from tests.schema.test_views import enter_worker

KNOWN = ("since", "until", "queue", "task_type", "workers", "limit", "task_ids", "seconds")
VALUES = dict.fromkeys((*KNOWN, "ahead", "worker_id", "status", "task_id"), "X")


def test_every_reason_has_texts() -> None:
    assert TEXTS.keys() == {*WaitsFor, *Standing}


@pytest.mark.parametrize("code", TEXTS)
def test_the_texts_are_whole_in_both_languages(code: str) -> None:
    for language in ("en", "zh"):
        for text in explained(code, VALUES, language):
            assert "{" not in text.replace('{"to": "first"}', "")


def test_each_reason_says_what_to_do(client: TestClient, engine: Engine) -> None:
    enter_worker(engine)
    (held,) = make(engine, queue="q")
    claim(engine)
    task = create(client, queue="q")
    limit(engine, "q", max_concurrency=1)

    found = client.get(f"/tasks/{task['id']}/why").json()

    assert (found["task_id"], found["status"], found["state"]) == (task["id"], "to_do", "PENDING")
    assert found["reasons"] == [
        {
            "code": "max_concurrency",
            "detail": f"Queue q may run 1 at once, and does: tasks {held}.",
            "remedy": "Wait until one ends, stop one, or raise max_concurrency: PATCH /queues/q.",
            "values": {"queue": "q", "limit": 1, "task_ids": [held]},
        }
    ]


def test_a_paused_queue_says_since_when_until_when_and_why(
    client: TestClient, engine: Engine
) -> None:
    enter_worker(engine)
    task = create(client, queue="q")
    client.post("/queues/q/pause", json={"reason": "磁盘已满", "seconds": 3600})

    (reason,) = client.get(f"/tasks/{task['id']}/why", headers={"accept-language": "zh"}).json()[
        "reasons"
    ]

    assert reason["detail"].startswith("队列 q 自 ")
    assert "自动恢复" in reason["detail"]
    assert reason["detail"].endswith("原因：磁盘已满")
    assert reason["values"]["until"].endswith("Z")


def test_a_task_that_is_paused_says_who_did_it(client: TestClient) -> None:
    task = create(client)
    client.post(f"/tasks/{task['id']}/pause", json={"reason": "later"})

    (reason,) = client.get(f"/tasks/{task['id']}/why").json()["reasons"]

    assert reason["code"] == "paused"
    assert " By " in reason["detail"]
    assert reason["detail"].endswith("Reason: later")
    assert reason["remedy"] == f"Resume it: POST /tasks/{task['id']}/resume."


def test_a_task_that_is_not_there_has_no_reason(client: TestClient) -> None:
    problem(client.get("/tasks/999999/why"), 404, "task_not_found")
