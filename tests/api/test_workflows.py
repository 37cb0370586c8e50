"""Workflows over HTTP: what is taken, what is refused and where, and what is shown."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.requests import create, faults, problem

NODE = {"nodeId": "10", "fieldName": "image", "fieldValue": "a.png"}
PAYLOAD: dict[str, Any] = {
    "workflow_id": "1850925505116598274",
    "workflow_name": "图片合成",
    "node_info_list": [NODE, NODE | {"fieldName": "upload"}],
}


def workflow(client: TestClient, **fields: Any) -> dict[str, Any]:
    return create(client, **({"task_type": "runninghub", "payload": PAYLOAD} | fields))


def test_a_workflow_gets_its_queue_and_is_shown_with_its_name_and_nodes(
    client: TestClient,
) -> None:
    task = workflow(client, hold=True)

    [listed] = client.get("/tasks").json()
    for shown in (task, listed, client.get(f"/tasks/{task['id']}").json()):
        assert (shown["workflow_name"], shown["node_count"]) == ("图片合成", 2)
        assert (shown["queue"], shown["state"]) == ("runninghub", "READY")
        assert (shown["timeout_seconds"], shown["retry_limit"]) == (2_400, 0)
    assert client.post(f"/tasks/{task['id']}/start").json()["state"] == "PENDING"


@pytest.mark.parametrize(
    ("payload", "pointer"),
    [
        (None, "/payload"),
        ([], "/payload"),
        ({}, "/payload/workflow_id"),
        ({"workflow_id": 1}, "/payload/workflow_id"),
        ({"workflow_id": ""}, "/payload/workflow_id"),
        ({"workflow_id": "1", "node_info_list": [{}]}, "/payload/node_info_list/0/nodeId"),
        (
            {"workflow_id": "1", "node_info_list": [NODE | {"nodeId": 10}]},
            "/payload/node_info_list/0/nodeId",
        ),
        ({"workflow_id": "1", "instance_type": "PLUS"}, "/payload/instance_type"),
        ({"workflow_id": "1", "on_uncertain": "perhaps"}, "/payload/on_uncertain"),
        ({"workflow_id": "1", "webhook_url": "http://x"}, "/payload/webhook_url"),
        ({"workflow_id": "1", "status": "x"}, "/payload/status"),
    ],
)
def test_a_payload_that_is_no_workflow_is_refused_where_it_is_wrong(
    client: TestClient, payload: Any, pointer: str
) -> None:
    body = {"title": "a", "task_type": "runninghub", "payload": payload}

    found = faults(client.post("/tasks", json=body))
    assert pointer in found
    assert "valid" not in found[pointer]
    batched = client.post("/tasks/batch", json={"tasks": [body]})
    assert f"/tasks/0{pointer}" in faults(batched)
    schedule = client.post("/schedules", json=body | {"interval": 60})
    assert pointer in faults(schedule)


def test_a_workflow_runs_in_a_queue_of_a_key(client: TestClient) -> None:
    assert workflow(client, queue="runninghub:second")["queue"] == "runninghub:second"
    body = {"title": "a", "task_type": "runninghub", "payload": PAYLOAD, "queue": "default"}

    refused = faults(client.post("/tasks", json=body))

    assert refused == {
        "/queue": "a workflow runs in the queue runninghub, or in runninghub:ALIAS of one key"
    }


def test_a_new_payload_of_a_workflow_is_checked_and_shown(client: TestClient) -> None:
    task = workflow(client)
    address = f"/tasks/{task['id']}"

    refused = client.patch(address, json={"title": "new", "payload": {"workflow_name": "x"}})
    assert "/payload/workflow_id" in faults(refused)
    assert client.get(address).json()["title"] == "a task"
    changed = client.patch(address, json={"payload": {"workflow_id": "2"}}).json()

    assert (changed["workflow_name"], changed["node_count"]) == (None, 0)
    assert changed["payload"] == {"workflow_id": "2"}


def test_other_tasks_have_whatever_payload_they_like(client: TestClient) -> None:
    task = create(client, payload=PAYLOAD)
    assert (task["workflow_name"], task["node_count"], task["queue"]) == (None, None, "default")

    changed = client.patch(f"/tasks/{task['id']}", json={"payload": 1}).json()

    assert (changed["payload"], changed["node_count"]) == (1, None)
    problem(client.patch("/tasks/999999", json={"payload": 1}), 404, "task_not_found")


def test_a_schedule_of_a_workflow_gets_its_queue(client: TestClient) -> None:
    body = {"title": "a", "task_type": "runninghub", "payload": PAYLOAD, "interval": 60}

    schedule = client.post("/schedules", json=body).json()

    task = client.post(f"/schedules/{schedule['id']}/run").json()
    assert (task["queue"], task["node_count"], task["retry_limit"]) == ("runninghub", 2, 0)


def test_a_schedule_is_not_changed_into_one_whose_workflows_cannot_run(client: TestClient) -> None:
    body = {"title": "a", "task_type": "runninghub", "payload": PAYLOAD, "interval": 60}
    workflows = f"/schedules/{client.post('/schedules', json=body).json()['id']}"
    others = f"/schedules/{client.post('/schedules', json={'title': 'b'}).json()['id']}"

    wrong = client.patch(workflows, json={"title": "new", "payload": {"workflow_name": "x"}})
    assert "/payload/workflow_id" in faults(wrong)
    assert "/payload" in faults(client.patch(workflows, json={"payload": None}))
    assert "/queue" in faults(client.patch(workflows, json={"queue": "default"}))
    assert {"/queue", "/payload"} <= faults(
        client.patch(others, json={"task_type": "runninghub"})
    ).keys()

    assert client.get(workflows).json()["title"] == "a"
    changed = client.patch(workflows, json={"payload": {"workflow_id": "2"}})
    assert changed.json()["payload"] == {"workflow_id": "2"}
    assert client.patch(others, json={"payload": {"workflow_name": "x"}}).status_code == 200
