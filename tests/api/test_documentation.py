"""openapi.json and the page that shows it."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from starlette.testclient import TestClient

from api.main import app
from schema.states import Status
from tools import openapi

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
        "stream_events",
        "stream_task_events",
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
        "list_batches",
        "get_task_status",
        "list_attempts",
        "list_events",
        "get_timeline",
        "get_why",
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
        "upload_file",
        "get_file",
        "get_file_info",
        "delete_file",
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
        "get_overview",
        "claim_tasks",
        "beat",
        "settle_tasks",
        "health",
        "livez",
        "readyz",
        "get_workflow_nodes",
        "metrics",
        "take_hint",
    }


def answers(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return every answer that is described, by its status."""
    for operation in operations(document).values():
        for status, answer in operation["responses"].items():
            name = answer.get("$ref", "").rpartition("/")[2]
            yield status, document["components"]["responses"][name] if name else answer


def bodies(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return every JSON body of a request or an answer that is described, with its schema."""
    told = [*operations(document).values(), *(answer for _, answer in answers(document))]
    for each in told:
        for media_type, body in each.get("requestBody", each).get("content", {}).items():
            if "json" in media_type:
                yield body


def test_the_committed_file_is_what_the_api_tells() -> None:
    assert openapi.FILE.read_bytes() == openapi.text(app.openapi()), (
        "docs/openapi.json is stale: `make openapi` (python -m tools.openapi) writes it anew"
    )


def test_it_is_a_document_of_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert not list(OPENAPI_31_VALIDATOR.iter_errors(document))


def test_every_error_is_described_as_a_problem(document: dict[str, Any]) -> None:
    for status, answer in answers(document):
        if status > "399":
            assert list(answer["content"]) == ["application/problem+json"]
            schema = answer["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}
            assert {"X-Request-Id", "Content-Language"} <= answer["headers"].keys()
            assert ("Retry-After" in answer["headers"]) == (status in {"409", "429", "503"})
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_body_has_an_example_that_fits_its_schema(document: dict[str, Any]) -> None:
    components = document["components"]
    for body in bodies(document):
        examples = [components["examples"][name]["value"] for name in body.get("examples", ())]
        examples += [body["example"]] if "example" in body else []
        assert examples, f"api/examples.py has no example of {body['schema']}"
        schema = jsonschema_rs.validator_for(body["schema"] | {"components": components})
        for example in examples:
            assert not [str(error) for error in schema.iter_errors(example)]


def test_every_answer_has_a_schema_but_those_without_a_body(document: dict[str, Any]) -> None:
    for status, answer in answers(document):
        assert ("content" in answer) == (status not in {"204", "304"})


@pytest.mark.parametrize(
    ("operation", "status", "headers"),
    [
        ("create_task", "201", {"ETag", "Idempotency-Replayed", "Location"}),
        ("create_task", "200", {"ETag", "Idempotency-Replayed", "Location"}),
        ("get_task", "200", {"ETag", "Preference-Applied", "X-Cache"}),
        ("stream_events", "200", set()),
        ("get_task", "304", {"ETag", "X-Cache"}),
        ("list_tasks", "200", {"ETag", "Link", "X-Cache", "X-Total-Count"}),
        ("edit_task", "200", {"ETag"}),
        ("delete_task", "204", set()),
        ("start_task", "200", {"ETag", "Idempotency-Replayed"}),
        ("start_tasks", "202", {"Idempotency-Replayed", "Location"}),
        ("claim_tasks", "200", set()),
        ("livez", "200", {"ETag"}),
    ],
)
def test_headers_of_answers_are_described(
    document: dict[str, Any], operation: str, status: str, headers: set[str]
) -> None:
    described = operations(document)[operation]["responses"][status]["headers"]

    assert described.keys() == headers | {"X-Request-Id"}


def test_every_word_of_a_list_is_explained(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for word in schema.get("enum", ()):
            assert f"- {word}: " in schema["description"], name


def test_what_a_path_says_is_no_parameter_besides(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        names = [each["name"] for each in operation.get("parameters", ())]
        assert len(names) == len(set(names)), operation["operationId"]


def test_no_parameter_is_null(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        for parameter in operation.get("parameters", ()):
            assert "null" not in str(parameter["schema"])


@pytest.mark.parametrize(
    ("operation", "roles"),
    [
        ("create_task", ["client"]),
        ("start_task", ["operator"]),
        ("claim_tasks", ["worker"]),
        ("upload_file", ["client", "worker"]),
        ("delete_file", ["client"]),
    ],
)
def test_it_says_which_roles_an_operation_needs(
    document: dict[str, Any], operation: str, roles: list[str]
) -> None:
    told = operations(document)[operation]["security"]
    assert told == [{"token": [role]} for role in roles]


@pytest.mark.parametrize(
    ("operation", "statuses"),
    [
        ("create_task", {"200", "201", "503"}),
        ("list_tasks", {"200", "422", "503"}),
        ("get_task", {"200", "404", "422", "503"}),
        ("edit_task", {"200", "400", "404", "409", "412", "413", "415", "422", "503"}),
        ("delete_task", {"204", "404", "412", "503"}),
        ("create_schedule", {"201", "503"}),
        ("edit_schedule", {"200", "400", "404", "409", "413", "415", "422", "503"}),
        ("run_schedule", {"201", "404", "503"}),
        ("list_next_runs", {"200", "404", "409", "422", "503"}),
        ("create_queue", {"201", "503"}),
        ("upload_file", {"200", "201", "503"}),
        ("get_file", {"200", "206", "404", "416", "503"}),
        ("get_file_info", {"200", "404", "503"}),
        ("delete_file", {"204", "404", "409", "503"}),
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
    of_all = EVERYWHERE if "security" in described else set()
    assert described["responses"].keys() == statuses | of_all | BY_METHOD.get(method, set())
    assert ("If-None-Match" in headers) == (method == "get")
    takes_keys = method == "post" and operation != "upload_file"
    assert ("Idempotency-Key" in headers) == takes_keys


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
