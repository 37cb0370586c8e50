"""Sessions of browsers: who gets one, what it may, what it refuses."""

import re
from collections.abc import Iterator

import pytest
from httpx2 import Response
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api import sessions
from api.access import OPERATORS
from api.main import build
from api.ui.pages import PageRoute
from api.ui.router import ROUTES
from schema.runtime.settings import Settings
from schema.states import State
from tests.api.requests import create, problem
from tests.rows import make, row, rows
from tests.ui.states import one_of_each

HERE = "https://tasks.example"
OWN = {"sec-fetch-site": "same-origin", "origin": HERE}
TOKENS = {"client": "client-1", "operator": "operator/1+=", "worker": "w"}


@pytest.fixture(scope="module")
def guarded(database_url: str) -> Iterator[TestClient]:
    """The API with tokens, as browsers elsewhere reach it."""
    chosen = Settings(
        database_url=database_url,
        client_tokens=TOKENS["client"],
        operator_tokens=TOKENS["operator"],
        worker_tokens=TOKENS["worker"],
    )
    application = build(lambda: chosen)
    with TestClient(
        application, base_url=HERE, client=("192.0.2.1", 1), follow_redirects=False
    ) as client:
        yield client


@pytest.fixture
def visitor(guarded: TestClient, client: TestClient) -> TestClient:  # noqa: ARG001  # empties the tables
    """Somebody without a session."""
    guarded.cookies.clear()
    return guarded


def log_in(visitor: TestClient, who: str) -> Response:
    """Send the form with somebody's token."""
    return visitor.post("/ui/login", data={"token": TOKENS[who]}, headers=OWN)


def page_token(visitor: TestClient) -> str:
    """Return what a page of the session sends with what it does."""
    found = re.search(r'"x-page-token": "(\w+)"', visitor.get("/ui/login").text)
    assert found
    return found[1]


def pages() -> list[PageRoute]:
    """Return the pages that are not for everybody."""
    return [route for route in ROUTES if isinstance(route, PageRoute) and route.roles is not None]


def test_every_page_but_the_login_leads_there_without_a_session(visitor: TestClient) -> None:
    for route in pages():
        path = re.sub(r"\{[^}]*\}", "1", route.path)
        method = "GET" if "GET" in (route.methods or ()) else "POST"
        response = visitor.request(method, path)

        assert response.status_code == 303, path
        assert response.headers["location"].startswith("/ui/login?next="), path


def test_a_token_begins_a_session_that_scripts_cannot_read(visitor: TestClient) -> None:
    response = log_in(visitor, "operator")

    assert (response.status_code, response.headers["location"]) == (303, "/ui/")
    cookie = response.headers["set-cookie"].lower()
    assert {"httponly", "secure", "samesite=strict", "path=/"} <= set(cookie.split("; "))
    assert TOKENS["operator"] not in cookie


@pytest.mark.parametrize("odd", ["a/b=1", 'prefs={"a":1}', "x@y=1; foo,bar=2"])
def test_cookies_of_others_are_in_nobodys_way(visitor: TestClient, odd: str) -> None:
    cookie = log_in(visitor, "client").headers["set-cookie"].partition(";")[0]
    visitor.cookies.clear()

    assert visitor.get("/tasks", headers={"cookie": f"{odd}; {cookie}"}).status_code == 200
    assert visitor.get("/ui/login", headers={"cookie": odd}).status_code == 200


def test_a_session_may_what_its_token_may(visitor: TestClient) -> None:
    log_in(visitor, "client")

    assert visitor.get("/tasks").status_code == 200
    problem(visitor.get("/queues"), 403, "role_forbids")


@pytest.mark.parametrize(("token", "status"), [("nothing", 401), ("", 401), ("w", 403)])
def test_a_wrong_token_and_a_workers_begin_none(
    visitor: TestClient, token: str, status: int
) -> None:
    response = visitor.post("/ui/login", data={"token": token}, headers=OWN)

    assert response.status_code == status
    assert 'role="alert"' in response.text
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site", "origin": "https://other.tasks.example"},
        {"origin": "https://evil.example"},
        {},
    ],
)
def test_another_sites_page_cannot_log_somebody_in(
    visitor: TestClient, headers: dict[str, str]
) -> None:
    response = visitor.post("/ui/login", data={"token": TOKENS["client"]}, headers=headers)

    assert response.status_code == 403
    assert "set-cookie" not in response.headers


def test_a_session_changes_something_for_its_own_pages_only(visitor: TestClient) -> None:
    log_in(visitor, "operator")
    token = page_token(visitor)
    own = OWN | {sessions.PAGE_HEADER: token}

    for headers in ({}, OWN, {sessions.PAGE_HEADER: token}, own | {"sec-fetch-site": "same-site"}):
        problem(visitor.post("/tasks", json={"title": "x"}, headers=headers), 403, "page_foreign")
    assert visitor.post("/tasks", json={"title": "x"}, headers=own).status_code == 201


def test_a_page_token_of_another_session_is_refused(visitor: TestClient) -> None:
    log_in(visitor, "operator")
    other = page_token(visitor)
    log_in(visitor, "operator")

    headers = OWN | {sessions.PAGE_HEADER: other}
    problem(visitor.post("/tasks", json={"title": "x"}, headers=headers), 403, "page_foreign")


def test_a_bearer_token_needs_no_page(visitor: TestClient) -> None:
    visitor.headers["authorization"] = f"Bearer {TOKENS['client']}"
    try:
        create(visitor)
    finally:
        del visitor.headers["authorization"]


def test_a_session_that_was_changed_or_is_over_is_none(
    visitor: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(visitor, "client")
    sealed = visitor.cookies[sessions.COOKIE]
    principal_id, ends_at, nonce, signature = sealed.split(".")
    later = f"{principal_id}.{int(ends_at) + 60}.{nonce}.{signature}"
    for cookie in (later, sealed[:-1], principal_id, "é", "...", f"{principal_id}...{signature}"):
        visitor.cookies.clear()
        headers = {b"cookie": f"{sessions.COOKIE}={cookie}".encode()}
        problem(visitor.get("/tasks", headers=headers), 401, "token_missing")
    visitor.cookies.set(sessions.COOKIE, sealed)
    assert visitor.get("/tasks").status_code == 200
    monkeypatch.setattr("time.time", lambda: float(ends_at))
    problem(visitor.get("/tasks"), 401, "token_missing")


def test_logging_out_ends_the_session(visitor: TestClient) -> None:
    log_in(visitor, "client")
    headers = OWN | {sessions.PAGE_HEADER: page_token(visitor)}

    response = visitor.post("/ui/logout", headers=headers)

    assert response.headers["hx-redirect"] == "/ui/login"
    problem(visitor.get("/tasks"), 401, "token_missing")


@pytest.mark.parametrize(
    ("asked", "led"),
    [
        ("/ui/tasks?state=FAILED", "/ui/tasks?state=FAILED"),
        ("https://evil.example/ui/", "/ui/"),
        ("//evil.example", "/ui/"),
        ("/ui/../docs", "/ui/../docs"),
    ],
)
def test_a_login_leads_back_to_where_one_was_and_nowhere_else(
    visitor: TestClient, asked: str, led: str
) -> None:
    response = visitor.post(
        "/ui/login", params={"next": asked}, data={"token": TOKENS["client"]}, headers=OWN
    )

    assert response.headers["location"] == led


def test_without_tokens_pages_serve_this_machine_alone(client: TestClient) -> None:
    assert client.get("/ui/login").status_code == 200
    for headers in ({"x-forwarded-for": "127.0.0.1"}, {"host": "evil.example"}):
        response = client.post("/ui/logout", headers=headers | OWN)
        assert response.status_code == 403, headers


def test_without_tokens_other_pages_of_this_machine_change_nothing(client: TestClient) -> None:
    own = {"sec-fetch-site": "same-origin", sessions.PAGE_HEADER: page_token(client)}

    assert client.post("/ui/logout", headers=own).status_code == 200
    for headers in ({}, own | {"sec-fetch-site": "same-site"}, own | {sessions.PAGE_HEADER: "x"}):
        assert client.post("/ui/logout", headers=headers).status_code == 403


def test_a_client_sees_and_does_no_verbs_but_delete(visitor: TestClient, engine: Engine) -> None:
    made = one_of_each(engine)
    log_in(visitor, "client")
    headers = OWN | {sessions.PAGE_HEADER: page_token(visitor), "hx-request": "true"}

    listed = visitor.get("/ui/tasks").text
    shown = visitor.get(f"/ui/tasks/{made[State.PENDING]}").text
    for page in (listed, shown):
        assert set(re.findall(r'data-(?:verb|batch)="(\w+)"', page)) == {"delete"}
        assert "/ui/queues" not in page
    for path in (f"{made[State.READY]}/start", f"{made[State.PENDING]}/reorder", "batch/stop"):
        form = {"ids": str(made[State.PENDING]), "to": "first"}
        response = visitor.post(f"/ui/tasks/{path}", data=form, headers=headers)
        assert (response.status_code, response.content) == (403, b""), path
        assert "token of a client" in response.headers["hx-trigger"]
    headers |= {"content-type": "application/x-www-form-urlencoded"}
    gone = visitor.post(f"/ui/tasks/{made[State.READY]}/delete", headers=headers)
    assert gone.status_code == 200


def test_a_client_sees_how_everything_stands_and_no_screen_of_operators(
    visitor: TestClient, engine: Engine
) -> None:
    make(engine)
    log_in(visitor, "client")
    headers = OWN | {sessions.PAGE_HEADER: page_token(visitor), "hx-request": "true"}

    overview = visitor.get("/ui/")
    assert overview.status_code == 200
    assert "/ui/queues" not in overview.text
    assert "/ui/dispatcher" not in overview.text
    theirs = [route for route in pages() if route.roles == OPERATORS]
    assert len(theirs) > 10
    for route in theirs:
        path = re.sub(r"\{[^}]*\}", "1", route.path)
        method = "GET" if "GET" in (route.methods or ()) else "POST"
        assert visitor.request(method, path, headers=headers).status_code == 403, path


def test_a_client_cannot_mean_all_that_match(visitor: TestClient, engine: Engine) -> None:
    make(engine)
    log_in(visitor, "client")
    headers = OWN | {sessions.PAGE_HEADER: page_token(visitor), "hx-request": "true"}

    form = {"matching": "state=PENDING"}
    response = visitor.post("/ui/tasks/batch/delete", data=form, headers=headers)

    assert response.status_code == 403


@pytest.mark.parametrize("matching", ["", "limit=100", "lang=zh"])
def test_all_tasks_are_never_meant_by_leaving_out_which(
    visitor: TestClient, engine: Engine, matching: str
) -> None:
    [task_id] = make(engine)
    log_in(visitor, "operator")
    headers = OWN | {sessions.PAGE_HEADER: page_token(visitor), "hx-request": "true"}

    response = visitor.post(
        "/ui/tasks/batch/delete", data={"matching": matching, "x": "y"}, headers=headers
    )

    assert response.status_code == 422
    assert row(engine, task_id)


def test_an_operator_is_named_in_the_events(visitor: TestClient, engine: Engine) -> None:
    made = one_of_each(engine)
    log_in(visitor, "operator")
    headers = OWN | {sessions.PAGE_HEADER: page_token(visitor), "hx-request": "true"}

    form = {"reason": "again"}
    visitor.post(f"/ui/tasks/{made[State.READY]}/start", data=form, headers=headers)

    [event] = rows(engine, "SELECT actor, verb, reason FROM task_events")
    assert event == {"actor": "operator", "verb": "start", "reason": "again"}
