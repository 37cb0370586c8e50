"""The nodes of a workflow, over HTTP."""

import pytest
from starlette.testclient import TestClient

from tests.api.requests import problem
from tests.runninghub.hub import KEY, Hub
from tools.runninghub_double.workflows import NEVER_RUN, PORTRAIT

ADDRESS = f"/runninghub/workflows/{PORTRAIT}/nodes"


def test_nodes_come_with_what_can_be_set(client: TestClient, hub: Hub) -> None:
    nodes = {node["nodeId"]: node for node in client.get(ADDRESS).json()}

    assert nodes["10"] == {
        "nodeId": "10",
        "class_type": "LoadImage",
        "title": "Picture",
        "inputs": [{"fieldName": "image", "fieldValue": "example.png"}],
    }
    assert [each["fieldName"] for each in nodes["3"]["inputs"]] == ["seed", "steps", "cfg"]
    assert hub.double.calls["graph"] == 1


@pytest.mark.parametrize(
    ("how", "value", "code"),
    [
        ("code", 802, "runninghub_refused"),
        ("status", 502, "runninghub_silent"),
        ("garbage", 0, "runninghub_silent"),
        ("null", 0, "runninghub_silent"),
    ],
)
def test_what_runninghub_says_instead_is_told_without_the_key(
    client: TestClient, hub: Hub, how: str, value: int, code: str
) -> None:
    hub.wrong("graph", how, value)

    answer = client.get(ADDRESS)

    problem(answer, 502, code)
    assert KEY not in answer.text


def test_a_workflow_that_was_never_run_by_hand_says_what_to_do(
    client: TestClient, hub: Hub
) -> None:
    answer = client.get(f"/runninghub/workflows/{NEVER_RUN}/nodes?queue=runninghub:second")

    assert "run it once by hand" in problem(answer, 502, "runninghub_refused")["detail"]
    assert hub.double.calls["graph"] == 1


def test_a_queue_without_a_key_cannot_ask(client: TestClient, hub: Hub) -> None:
    answer = client.get(f"{ADDRESS}?queue=default")

    assert "RUNNINGHUB_KEYS" in problem(answer, 404, "runninghub_key_missing")["detail"]
    assert "graph" not in hub.double.calls
