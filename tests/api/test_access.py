"""Who may ask for what, over every route there is."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import Engine
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from api import documentation
from api.access import GuardedRoute, OpenRoute, require_declared
from api.locality import foreign_trait
from api.main import app, build
from api.ui import router as ui
from schema import dispatcher
from schema.runtime.settings import Settings
from schema.runtime.transactions import transaction
from schema.states import Actor
from tests.api.requests import create, local_client, problem
from tests.rows import make, rows

TOKENS = {"client": "client-1", "operator": "operator/1+=", "second": "client-2", "worker": "w"}
CALLERS = (None, "client", "operator", "worker")
NUMBERS = ("task_id", "schedule_id", "batch_id", "file_id")
HOOK = "/runninghub/hooks/{token}"
OPEN_PATHS = {"/health", "/livez", "/readyz", HOOK}

CLIENTS_MAY = {
    "create_task",
    "create_tasks",
    "list_tasks",
    "get_task",
    "edit_task",
    "delete_task",
    "delete_tasks",
    "delete_tasks_by_post",
    "get_task_status",
    "list_attempts",
    "list_events",
    "get_timeline",
    "get_why",
    "list_account_tasks",
    "get_overview",
    "list_tags",
    "upload_file",
    "get_file",
    "get_file_info",
    "delete_file",
    "get_workflow_nodes",
    "stream_events",
    "stream_task_events",
}
"""By their operationIds; all other routes that are not open are the operators' or workers'."""

ONLY_WORKERS_MAY = {"claim_tasks", "beat", "settle_tasks"}

WORKERS_MAY = ONLY_WORKERS_MAY | {"upload_file", "get_file", "get_file_info"}


def may(who: str | None, name: str) -> bool:
    """Whether a caller may use a route that is not open."""
    match who:
        case "worker":
            return name in WORKERS_MAY
        case "operator":
            return name not in ONLY_WORKERS_MAY
        case _:
            return who is not None and name in CLIENTS_MAY


def routes() -> list[APIRoute]:
    """Return all routes but pages, and the documentation, which holds nothing of anybody's."""
    pages = [*documentation.ROUTES, *ui.ROUTES]
    found = [route for route in app.routes if route not in pages]
    return [route for route in found if getattr(route, "path", "") != "/openapi.json"]  # type: ignore[misc]


def requests() -> list[tuple[str, str, str]]:
    """Return operationId, method and an address of every route: one that ends."""
    return [
        (route.name, method, f"{_address(route)}{REFUSED.get(route.name, '')}")
        for route in routes()
        for method in sorted(route.methods or ())
    ]


def _address(route: APIRoute) -> str:
    return route.path_format.format_map(dict.fromkeys(NUMBERS, 1) | NAMES)


REFUSED = {"stream_events": "?nonsense"}
NAMES = {"name": "default", "account_id": "a", "workflow_id": "1", "token": "{token}"}


def bearer(who: str | None) -> dict[str, str]:
    """Return the header that names a caller."""
    return {} if who is None else {"authorization": f"Bearer {TOKENS[who]}"}


@pytest.fixture(scope="module")
def served(database_url: str) -> Iterator[TestClient]:
    """The API with tokens, reached from elsewhere."""
    chosen = Settings(
        database_url=database_url,
        client_tokens=f"{TOKENS['client']}, {TOKENS['second']}",
        operator_tokens=TOKENS["operator"],
        worker_tokens=TOKENS["worker"],
    )
    application = build(lambda: chosen)
    with TestClient(application, base_url="https://api.example", client=("192.0.2.1", 1)) as client:
        yield client


@pytest.fixture
def guarded(engine: Engine, served: TestClient) -> Iterator[TestClient]:
    """The API with tokens and nothing in it."""
    yield served
    with transaction(engine) as connection:  # whatever routes were asked
        dispatcher.set_running(connection, None, is_running=True)


def test_every_route_says_whom_it_serves() -> None:
    for route in routes():
        assert isinstance(route, GuardedRoute | OpenRoute), route.path
    assert {route.path for route in routes() if isinstance(route, OpenRoute)} == OPEN_PATHS


def test_a_route_that_does_not_say_whom_it_serves_is_not_served() -> None:
    undeclared: list[BaseRoute] = [APIRoute("/secrets", lambda: None)]

    with pytest.raises(TypeError, match="whom it serves"):
        require_declared(undeclared)


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize(("name", "method", "path"), requests())
def test_every_route_serves_its_roles_and_refuses_others(
    guarded: TestClient, name: str, method: str, path: str, who: str | None
) -> None:
    response = guarded.request(method, path, headers=bearer(who))

    if path in OPEN_PATHS or may(who, name):
        assert response.status_code not in {401, 403}, response.text
    elif who is None:
        assert "Bearer" in problem(response, 401, "token_missing")["detail"]
        assert response.headers["www-authenticate"].startswith("Bearer ")
    else:
        assert who in problem(response, 403, "role_forbids")["detail"]
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]


@pytest.mark.parametrize(("name", "method", "path"), requests())
def test_without_tokens_no_route_serves_what_was_forwarded(
    client: TestClient, name: str, method: str, path: str
) -> None:
    response = client.request(method, path, headers={"x-forwarded-for": "127.0.0.1"})

    if path in OPEN_PATHS:
        assert response.status_code == (404 if path == HOOK else 200), name
    else:
        detail = problem(response, 403, "tokens_not_set")["detail"]
        assert "x-forwarded-for" in detail
        assert "CLIENT_TOKENS" in detail
        assert "OPERATOR_TOKENS" in detail


@pytest.mark.parametrize(
    "headers",
    [
        {"forwarded": "for=127.0.0.1"},
        {"via": "1.1 proxy"},
        {"x-forwarded-host": "localhost"},
        {"x-forwarded-proto": "https"},
        {"x-real-ip": "127.0.0.1"},
        {"host": "rowlease.example"},
        {"host": "127.0.0.1.example"},
        {"host": "169.254.169.254"},
        {"host": ""},
        {"host": "["},
        {"host": "\xff"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_without_tokens_what_comes_from_elsewhere_is_refused(
    client: TestClient, headers: dict[str, str]
) -> None:
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    response = client.get("/tasks", headers=encoded)

    assert next(iter(headers)) in problem(response, 403, "tokens_not_set")["detail"].lower()


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "::ffff:192.0.2.1", "2001:db8::1"])
def test_without_tokens_another_machine_is_refused(running_api: TestClient, address: str) -> None:
    other = local_client(running_api.app, address)

    assert address in problem(other.get("/tasks"), 403, "tokens_not_set")["detail"]
    assert other.get("/livez").status_code == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
def test_without_tokens_this_machine_is_served(address: str, host: str) -> None:
    scope = {"client": (address, 50_000), "headers": [(b"host", host.encode())]}

    assert foreign_trait(scope, ()) is None


def test_refusals_speak_the_language_of_the_client(guarded: TestClient) -> None:
    response = guarded.get("/tasks", headers={"accept-language": "zh"})

    assert response.json()["title"] == "未通过身份验证"
    assert "令牌" in response.json()["detail"]


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer wrong",
        "Bearer client-1x",
        "Bearer client-",
        "Bearer client-1, client-2",
        "Bearer ",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 10_000,
    ],
)
def test_a_token_that_is_not_known_is_refused(guarded: TestClient, authorization: str) -> None:
    response = guarded.get("/tasks", headers=[(b"authorization", authorization.encode("latin-1"))])

    problem(response, 401, "token_unknown")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


@pytest.mark.parametrize("authorization", ["client-1", "Basic client-1", "Bearer", ""])
def test_a_token_comes_as_bearer(guarded: TestClient, authorization: str) -> None:
    response = guarded.get("/tasks", headers={"authorization": authorization})

    assert response.status_code == 401
    problem(guarded.get("/tasks?token=client-1"), 401, "token_missing")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_written_in_any_case(guarded: TestClient, scheme: str) -> None:
    headers = {"authorization": f"{scheme} {TOKENS['second']}"}

    assert guarded.get("/tasks", headers=headers).status_code == 200


def test_nothing_of_a_body_is_looked_at_for_who_may_not_send_it(guarded: TestClient) -> None:
    response = guarded.post("/tasks", content=b"{", headers={"content-type": "application/json"})

    problem(response, 401, "token_missing")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/tasks/batch/delete"), ("DELETE", "/tasks/batch")]
)
@pytest.mark.parametrize("is_dry", [True, False])
def test_a_client_deletes_by_numbers_and_an_operator_by_a_filter_too(
    guarded: TestClient, engine: Engine, method: str, path: str, *, is_dry: bool
) -> None:
    make(engine, 3)
    one = rows(engine, "SELECT MIN(id) AS id FROM tasks")[0]["id"]
    by_filter = {"filter": {"queue": "default"}, "dry_run": is_dry}

    def send(who: str, body: dict[str, Any]) -> Any:
        return guarded.request(method, path, json=body, headers=bearer(who))

    problem(send("client", by_filter), 403, "role_forbids")
    assert send("client", {"ids": [one]}).json()["succeeded"] == 1
    assert send("operator", by_filter).json()["requested"] == 2


def test_events_say_who_it_was(guarded: TestClient, engine: Engine) -> None:
    one, two = make(engine, 2)
    operator, client = bearer("operator"), bearer("client")

    guarded.post(f"/tasks/{one}/pause", headers=operator)
    guarded.delete(f"/tasks/{one}", headers=client)
    guarded.delete(f"/tasks/{two}", headers=operator)

    events = rows(engine, "SELECT task_id, actor, verb FROM task_events ORDER BY id")
    assert [tuple(event.values()) for event in events] == [
        (one, "operator", "pause"),
        (one, "client", "delete"),
        (two, "operator", "delete"),
    ]


def test_the_document_tells_of_tokens(guarded: TestClient) -> None:
    document = guarded.get("/openapi.json").json()

    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            guards = {"401", "403", "429"} & operation["responses"].keys()
            assert (len(guards) == 3) == ("security" in operation) == (path not in OPEN_PATHS)


def test_roles_are_those_of_actors() -> None:
    served = {role for route in routes() for role in getattr(route, "roles", ())}

    assert served <= set(Actor)


def test_a_client_sees_what_it_made(guarded: TestClient) -> None:
    guarded.headers.update(bearer("client"))
    try:
        task = create(guarded)
        assert guarded.get(f"/tasks/{task['id']}").json() == task
    finally:
        guarded.headers.pop("authorization")
