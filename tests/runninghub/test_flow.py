"""What somebody does who tries workflows for the first time."""

from typing import Any

import orjson
import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.api.requests import create
from tests.processes import Start
from tests.rows import attempts, change, row
from tests.runninghub.hub import KEY, Hub
from tests.runninghub.tasks import (
    PICTURE,
    make_workflow,
    portrait_payload,
    started,
    text_payload,
    wait_for_status,
)
from tests.waiting import wait_for
from tools.runninghub_double.pictures import picture
from tools.runninghub_double.workflows import PORTRAIT

LONG_AGO = "2026-01-01T00:00:00+00:00"


def wait_for_state(client: TestClient, task_id: int, state: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        task: dict[str, Any] = client.get(f"/tasks/{task_id}").json()
        return task if task["state"] == state else None

    return wait_for(look) or {}


def test_a_picture_goes_all_the_way(
    client: TestClient, engine: Engine, start: Start, hub: Hub
) -> None:
    uploaded = client.post("/files", files={"file": ("me.png", PICTURE)}).json()
    payload = portrait_payload(uploaded["id"])
    task = create(client, task_type="runninghub", payload=payload, hold=True)
    assert (task["state"], task["allowed_actions"][0]) == ("READY", "start")
    assert (task["workflow_name"], task["node_count"]) == ("portrait", 1)
    worker = started(start)

    assert client.post(f"/tasks/{task['id']}/start").json()["state"] == "PENDING"
    wait_for(lambda: hub.states == ["QUEUED"])
    assert wait_for_state(client, task["id"], "QUEUED")["workflow_name"] == "portrait"
    hub.step(3)
    running = wait_for_state(client, task["id"], "RUNNING")
    hub.step(2)  # 3 s of 6 are done
    wait_for(lambda: row(engine, task["id"])["progress"] == 50)
    assert hub.runs[0].id in row(engine, task["id"])["progress_message"]
    hub.step(10)
    done = wait_for_state(client, task["id"], "SUCCESS")

    assert running["stage"] == "RUNNING"
    [output] = done["result"]["outputs"]
    assert (done["result"]["seconds"], done["result"]["costs"]) == (6, {"coins": "17"})
    assert client.get(f"/files/{output['file']}").content == picture(hub.runs[0].id)
    [node] = hub.runs[0].nodes
    assert hub.double.bytes_of[node["fieldValue"]] == PICTURE
    log = orjson.dumps(worker.log()).decode()
    assert KEY not in log + orjson.dumps(done).decode()
    assert "signature" not in log + orjson.dumps(done).decode()


def test_several_run_one_after_the_other_in_the_order_of_their_creation(
    engine: Engine, start: Start, hub: Hub
) -> None:
    hub.script(queue_seconds=0, run_seconds=0, end="empty")
    ids = [make_workflow(engine, text_payload(text)) for text in ("one", "two", "three")]
    started(start)

    for task_id in ids:
        wait_for_status(engine, task_id, "done")

    assert [run.nodes[0]["fieldValue"] for run in hub.runs] == ["one", "two", "three"]
    assert hub.double.calls["create"] == 3
    starts = [row(engine, task_id)["started_at"] for task_id in ids]
    ends = [row(engine, task_id)["finished_at"] for task_id in ids]
    assert all(end <= begin for end, begin in zip(ends, starts[1:], strict=False))


@pytest.mark.parametrize("verb", ["stop", "delete"])
def test_who_stops_a_running_one_cancels_it_there(
    client: TestClient, engine: Engine, start: Start, hub: Hub, verb: str
) -> None:
    hub.script(queue_seconds=0, run_seconds=1)
    task_id = make_workflow(engine, text_payload("x"))
    started(start)
    wait_for_state(client, task_id, "RUNNING")
    wait_for(lambda: hub.states == ["RUNNING"])

    if verb == "stop":
        assert client.post(f"/tasks/{task_id}/stop").status_code == 200
    else:
        assert client.delete(f"/tasks/{task_id}").status_code == 204

    wait_for(lambda: hub.states == ["FAILED"])
    [attempt] = wait_for(lambda: attempts(engine, task_id))
    assert attempt["outcome"] == "cancelled"
    assert f"run {hub.runs[0].id} was cancelled at RunningHub too" in attempt["message"]
    assert client.get("/tasks?queue=cancellations").json() == []


def test_a_stop_that_does_not_reach_runninghub_says_so_and_is_tried_again(
    client: TestClient, engine: Engine, start: Start, hub: Hub
) -> None:
    hub.script(queue_seconds=0, run_seconds=1)
    hub.wrong("cancel", "status", 503)
    task_id = make_workflow(engine, text_payload("x"))
    started(start)
    wait_for(lambda: hub.states == ["RUNNING"])
    wait_for(lambda: row(engine, task_id)["stage"] == "RUNNING")

    client.post(f"/tasks/{task_id}/stop")

    [attempt] = wait_for(lambda: attempts(engine, task_id))
    assert "may go on at RunningHub" in attempt["message"]
    wait_for(lambda: hub.states == ["FAILED"])


def test_a_stop_in_the_middle_of_a_create_cancels_what_comes_of_it(
    client: TestClient, engine: Engine, start: Start, hub: Hub
) -> None:
    task_id = make_workflow(engine, text_payload("x"))
    hub.wrong("create", "hold")
    started(start)
    hub.wait_until_held("create")

    client.post(f"/tasks/{task_id}/stop")
    [attempt] = wait_for(lambda: attempts(engine, task_id))
    assert "look at RunningHub" in attempt["message"]
    hub.free()

    wait_for(lambda: hub.states == ["FAILED"])


def test_one_that_hangs_times_out_and_can_be_started_again(
    client: TestClient, engine: Engine, start: Start, hub: Hub
) -> None:
    hub.script(queue_seconds=0, end="never")
    task_id = make_workflow(engine, text_payload("x"))
    first = started(start, WORKER_GRACE_SECONDS="0.1")
    wait_for(lambda: row(engine, task_id)["stage"] == "RUNNING")
    first.stop()
    change(engine, task_id, f"checkpoint = JSON_SET(checkpoint, '$.accepted_at', '{LONG_AGO}')")
    started(start)

    wait_for_state(client, task_id, "FAILED")
    assert attempts(engine, task_id)[-1]["outcome"] == "timed_out"
    assert hub.states == ["FAILED"]
    hub.script(run_seconds=0, end="empty")
    client.post(f"/tasks/{task_id}/start")
    assert wait_for_state(client, task_id, "SUCCESS")["result"]["run_id"] == hub.runs[1].id


def test_runninghub_may_go_away_and_come_back(
    client: TestClient, engine: Engine, start: Start, hub: Hub
) -> None:
    hub.script(queue_seconds=0, run_seconds=1)
    task_id = make_workflow(engine, text_payload("x"))
    started(start)
    wait_for(lambda: row(engine, task_id)["stage"] == "RUNNING")

    hub.stop()
    wait_for(lambda: "cannot be reached" in (row(engine, task_id)["progress_message"] or ""))
    hub.start()
    hub.step(10)

    wait_for_state(client, task_id, "SUCCESS")
    assert len(hub.runs) == 1
    assert len(attempts(engine, task_id)) == 1


def test_where_another_system_has_the_slot_nobody_overtakes(
    client: TestClient, engine: Engine, start: Start, hub: Hub
) -> None:
    hub.script(queue_seconds=0, end="never")
    hub.double.create(KEY, PORTRAIT, [])
    ids = [make_workflow(engine, text_payload(text)) for text in ("one", "two")]
    started(start)

    def paused() -> Any:
        return client.get("/queues/runninghub").json()["paused_reason"]

    assert "421" in wait_for(paused)
    assert [row(engine, task_id)["status"] for task_id in ids] == ["to_do", "to_do"]
    hub.double.runs.clear()
    hub.script(run_seconds=0, end="empty")
    client.post("/queues/runninghub/resume")

    for task_id in ids:
        wait_for_status(engine, task_id, "done")
    assert [run.nodes[0]["fieldValue"] for run in hub.runs] == ["one", "two"]
    assert [each["outcome"] for each in attempts(engine, ids[0])] == ["released", "succeeded"]
