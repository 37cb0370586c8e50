"""The double of RunningHub keeps to what is known of its API, and misbehaves when told to."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.conftest import ROOT
from tests.runninghub.hub import KEY, OTHER_KEY, Hub, fresh, running_hub
from tests.waiting import wait_for
from tools.runninghub_double.app import build
from tools.runninghub_double.double import UPLOAD_BYTES
from tools.runninghub_double.memory import Remembering, recall
from tools.runninghub_double.workflows import NEVER_RUN, PORTRAIT
from tools.servers.ports import LOOPBACK, free_port


@pytest.fixture
def client() -> TestClient:
    return TestClient(build(fresh()))


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as running:
        yield running


def call(client: Any, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json={"apiKey": KEY} | body)
    assert answer.status_code == 200, answer.text
    envelope: dict[str, Any] = answer.json()
    return envelope


def create(client: Any, **body: Any) -> dict[str, Any]:
    return call(client, "/task/openapi/create", **({"workflowId": PORTRAIT} | body))


def outputs(client: Any, run_id: str) -> dict[str, Any]:
    return call(client, "/task/openapi/outputs", taskId=run_id)


def tell(client: Any, path: str, **body: Any) -> None:
    assert client.post(f"/double/{path}", json=body).status_code == 200


def test_a_double_that_was_killed_knows_its_runs_again(tmp_path: Path) -> None:
    state, first, second = tmp_path / "state", fresh(), fresh()
    client = TestClient(Remembering(build(first), first, state))
    run_id = create(client)["data"]["taskId"]
    tell(client, "clock", seconds=4)

    recall(second, state)

    after = TestClient(build(second))
    assert outputs(after, run_id)["code"] == 804
    assert create(after)["code"] == 421
    tell(after, "clock", seconds=4)
    assert outputs(after, run_id)["code"] == 0
    assert create(after)["data"]["taskId"] != run_id


def test_a_state_that_cannot_be_read_is_forgotten(tmp_path: Path) -> None:
    state, double = tmp_path / "state", fresh()
    state.write_bytes(b"of another time")

    recall(double, state)

    assert double.runs == {}


def test_a_run_is_queued_then_runs_then_has_outputs(client: TestClient) -> None:
    run = create(client)["data"]
    assert (run["taskStatus"], len(run["taskId"]), run["netWssUrl"]) == ("QUEUED", 19, None)

    codes = []
    for _ in range(3):
        codes.append(outputs(client, run["taskId"])["code"])
        tell(client, "clock", seconds=4)

    assert codes == [813, 804, 0]
    [file] = outputs(client, run["taskId"])["data"]
    assert (file["consumeCoins"], file["taskCostTime"], file["nodeId"]) == ("17", "6", "9")
    assert client.get(file["fileUrl"]).content.startswith(b"\x89PNG")


def test_addresses_of_outputs_expire_after_a_day(client: TestClient) -> None:
    run_id = create(client)["data"]["taskId"]
    tell(client, "clock", seconds=10)
    address = outputs(client, run_id)["data"][0]["fileUrl"]

    tell(client, "clock", seconds=86_400)

    assert client.get(address).status_code == 403
    assert client.get(address.replace("signature=", "signature=0")).status_code == 403


@pytest.mark.parametrize("code", [421, 1520])
def test_a_key_runs_no_more_at_once_than_it_may(client: TestClient, code: int) -> None:
    tell(client, "runs", full_code=code)
    create(client)

    assert create(client)["code"] == code
    assert create(client, apiKey=OTHER_KEY)["code"] == 0
    tell(client, "clock", seconds=10)
    assert create(client)["code"] == 0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"apiKey": "stranger"}, 802),
        ({"workflowId": "1"}, 380),
        ({"workflowId": NEVER_RUN}, 810),
        ({"nodeInfoList": [{"nodeId": "6", "fieldName": "txt", "fieldValue": "x"}]}, 803),
        ({"nodeInfoList": [{"nodeId": "10", "fieldName": "image", "fieldValue": "a.png"}]}, 433),
    ],
)
def test_what_cannot_run_is_refused(client: TestClient, fields: dict[str, Any], code: int) -> None:
    assert create(client, **fields)["code"] == code


def test_an_uploaded_picture_can_be_used_for_a_day(client: TestClient) -> None:
    form = {"apiKey": KEY, "fileType": "input"}
    sent = client.post("/task/openapi/upload", data=form, files={"file": ("a.png", b"png")}).json()
    name = sent["data"]["fileName"]
    nodes = [{"nodeId": "10", "fieldName": "image", "fieldValue": name}]

    assert name.startswith("api/")
    assert create(client, nodeInfoList=nodes, apiKey=OTHER_KEY)["code"] == 433
    assert create(client, nodeInfoList=nodes)["code"] == 0
    tell(client, "clock", seconds=86_401)
    assert create(client, nodeInfoList=nodes)["code"] == 433


def test_a_file_that_is_too_large_is_refused(client: TestClient) -> None:
    file = {"file": ("a.png", bytes(UPLOAD_BYTES + 1))}
    assert (
        client.post("/task/openapi/upload", data={"apiKey": KEY}, files=file).json()["code"] == 809
    )


def test_a_cancelled_run_has_failed_and_is_free(client: TestClient) -> None:
    run_id = create(client)["data"]["taskId"]

    assert call(client, "/task/openapi/cancel", taskId=run_id)["code"] == 0

    assert outputs(client, run_id)["code"] == 805
    assert outputs(client, "1")["code"] == 807
    status = client.post("/uc/openapi/accountStatus", json={"apikey": KEY}).json()["data"]
    assert (status["currentTaskCounts"], status["remainCoins"]) == ("0", "177814")


@pytest.mark.parametrize(("end", "code", "data"), [("failure", 805, dict), ("empty", 0, list)])
def test_a_run_may_fail_or_have_no_output(
    client: TestClient, end: str, code: int, data: type
) -> None:
    tell(client, "runs", end=end)
    run_id = create(client)["data"]["taskId"]
    tell(client, "clock", seconds=10)

    envelope = outputs(client, run_id)

    assert (envelope["code"], type(envelope["data"])) == (code, data)


def test_a_run_may_never_end(client: TestClient) -> None:
    tell(client, "runs", end="never")
    run_id = create(client)["data"]["taskId"]
    tell(client, "clock", seconds=1_000_000)

    assert outputs(client, run_id)["code"] == 804
    assert call(client, "/task/openapi/status", taskId=run_id)["data"] == "RUNNING"


def test_a_workflow_is_json_in_a_string(client: TestClient) -> None:
    envelope = call(client, "/api/openapi/getJsonApiFormat", workflowId=PORTRAIT)

    assert '"class_type":"LoadImage"' in envelope["data"]["prompt"]


def test_it_misbehaves_as_often_as_it_is_told(client: TestClient) -> None:
    tell(client, "faults", call="create", how="text_code", value=777)
    tell(client, "faults", call="create", how="status", value=502)
    tell(client, "faults", call="create", how="garbage", done=True)

    assert create(client)["code"] == "777"
    body = {"apiKey": KEY, "workflowId": PORTRAIT}
    assert client.post("/task/openapi/create", json=body).status_code == 502
    assert "html" in client.post("/task/openapi/create", json=body).text
    looked = client.get("/double").json()
    assert (len(looked["runs"]), looked["calls"]) == (1, {"create": 3})


def test_it_loses_an_answer_after_it_has_created(hub: Hub) -> None:
    hub.wrong("create", "cut", done=True)

    with pytest.raises(httpx2.RemoteProtocolError), httpx2.Client(base_url=hub.url) as client:
        create(client)

    assert hub.states == ["QUEUED"]


def test_it_holds_an_answer_back_until_it_is_told(hub: Hub) -> None:
    hub.wrong("create", "hold")
    with httpx2.Client(base_url=hub.url) as client:
        with pytest.raises(httpx2.ReadTimeout):
            client.post("/task/openapi/create", json={"apiKey": KEY}, timeout=0.2)
        assert client.get("/double").json()["runs"] == []
        assert client.delete("/double/faults").status_code == 200
        assert create(client)["code"] == 0


def test_it_is_a_program_whose_clock_runs() -> None:
    port = str(free_port())
    command = [sys.executable, "-m", "tools.runninghub_double", "--port", port, "--key", KEY]
    with (
        subprocess.Popen(command, cwd=ROOT) as process,
        httpx2.Client(base_url=f"http://{LOOPBACK}:{port}") as client,
    ):

        def answers() -> bool:
            try:
                return bool(client.get("/double").is_success)
            except httpx2.ConnectError:
                return False

        try:
            wait_for(answers)
            tell(client, "runs", queue_seconds=0, run_seconds=0)
            assert outputs(client, create(client)["data"]["taskId"])["code"] == 0
        finally:
            process.terminate()
