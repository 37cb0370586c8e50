"""openapi.json and the page that shows it."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from schema.states import Status

EVERYWHERE = {"401", "403", "429"}
"""What every guarded operation may answer."""

BY_METHOD = {
    "get": {"304"},
    "patch": {"408"},
    "post": {"400", "408", "409", "413", "415", "422"},
}


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    """The API's description of itself."""
    described: dict[str, Any] = client.get("/openapi.json").json()
    return described


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what can be done, by operationId."""
    return {
        operation["operationId"]: operation
        for path in document["paths"].values()
        for operation in path.values()
    }


def test_operations_have_names_for_generated_clients(document: dict[str, Any]) -> None:
    assert operations(document).keys() == {
        "create_task",
        "create_tasks",
        "list_tasks",
        "get_task",
        "edit_task",
        "delete_task",
        "start_task",
        "stop_task",
        "pause_task",
        "resume_task",
        "reorder_task",
        "start_tasks",
        "stop_tasks",
        "pause_tasks",
        "resume_tasks",
        "delete_tasks",
        "delete_tasks_by_post",
        "get_batch",
        "get_task_status",
        "list_attempts",
        "list_events",
        "get_timeline",
        "create_schedule",
        "list_schedules",
        "get_schedule",
        "edit_schedule",
        "delete_schedule",
        "list_schedule_tasks",
        "list_next_runs",
        "pause_schedule",
        "resume_schedule",
        "reorder_schedule",
        "run_schedule",
        "list_account_tasks",
        "list_account_schedules",
        "create_queue",
        "list_tags",
        "rename_tag",
        "delete_tag",
        "list_queues",
        "get_queue",
        "edit_queue",
        "delete_queue",
        "pause_queue",
        "resume_queue",
        "get_dispatcher_status",
        "start_dispatcher",
        "stop_dispatcher",
        "list_workers",
        "claim_tasks",
        "beat",
        "settle_tasks",
        "health",
        "livez",
        "readyz",
    }


def test_every_error_is_described_as_a_problem(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        errors = {status: each for status, each in operation["responses"].items() if status > "399"}
        for described in errors.values():
            assert list(described["content"]) == ["application/problem+json"]
            schema = described["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}
    assert "HTTPValidationError" not in document["components"]["schemas"]


@pytest.mark.parametrize(
    ("operation", "statuses"),
    [
        ("create_task", {"200", "201", "503"}),
        ("list_tasks", {"200", "422", "503"}),
        ("get_task", {"200", "404", "503"}),
        ("edit_task", {"200", "400", "404", "412", "413", "415", "422", "503"}),
        ("delete_task", {"204", "404", "412", "503"}),
        ("create_schedule", {"201", "503"}),
        ("edit_schedule", {"200", "400", "404", "409", "413", "415", "422", "503"}),
        ("run_schedule", {"201", "404", "503"}),
        ("list_next_runs", {"200", "404", "409", "422", "503"}),
        ("create_queue", {"201", "503"}),
        ("list_tags", {"200", "422", "503"}),
        ("rename_tag", {"200", "400", "404", "409", "413", "415", "422", "503"}),
        ("delete_tag", {"204", "404", "503"}),
        ("list_queues", {"200", "422", "503"}),
        ("edit_queue", {"200", "400", "404", "413", "415", "422", "503"}),
        ("delete_queue", {"204", "404", "409", "503"}),
        ("pause_queue", {"200", "404", "503"}),
        ("get_dispatcher_status", {"200", "503"}),
        ("stop_dispatcher", {"200", "503"}),
        ("list_workers", {"200", "422", "503"}),
        ("livez", {"200"}),
        ("readyz", {"200", "503"}),
    ],
)
def test_every_status_is_described(
    document: dict[str, Any], operation: str, statuses: set[str]
) -> None:
    [method] = [
        method
        for methods in document["paths"].values()
        for method, described in methods.items()
        if described["operationId"] == operation
    ]
    described = operations(document)[operation]

    headers = {each["name"] for each in described.get("parameters", ())}
    of_all = EVERYWHERE | BY_METHOD.get(method, set()) if "security" in described else set()
    assert described["responses"].keys() == statuses | of_all
    if "security" in described:
        assert ("If-None-Match" in headers) == (method == "get")
        assert ("Idempotency-Key" in headers) == (method == "post")


@pytest.mark.parametrize(
    "operation", ["edit_task", "delete_task", "start_task", "stop_task", "reorder_task"]
)
def test_what_changes_a_task_takes_if_match(document: dict[str, Any], operation: str) -> None:
    described = operations(document)[operation]

    assert "if-match" in {each["name"].lower() for each in described["parameters"]}
    assert "412" in described["responses"]


def test_all_references_lead_somewhere(document: dict[str, Any]) -> None:
    references = re.findall(r"#/components/schemas/(\w+)", str(document))

    assert references
    assert set(references) <= document["components"]["schemas"].keys()


def test_fields_are_described_and_words_listed(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert schemas["Status"]["enum"] == list(Status)
    assert schemas["TaskDetail"]["properties"]["fence"]["description"].startswith("Counts claims")
    assert schemas["TaskCreation"]["required"] == ["title"]
    assert "status" not in schemas["TaskChanges"]["properties"]


def test_under_a_prefix_the_description_names_it_as_its_server(client: TestClient) -> None:
    assert client.get("/api/v1/openapi.json").json()["servers"] == [{"url": "/api/v1"}]
    assert "servers" not in client.get("/openapi.json").json()


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
def test_the_page_needs_no_other_server(client: TestClient, prefix: str) -> None:
    page = client.get(f"{prefix}/docs")

    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in page.text.replace("<!doctype html>", "")
    addresses = re.findall(r'(?:href|src|data-url)="([^"]+)"', page.text)
    assert len(addresses) == 5
    for address in addresses:
        assert address.startswith(f"{prefix}/")
        assert client.get(address).status_code == 200
