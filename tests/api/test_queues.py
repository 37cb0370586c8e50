"""Queues over HTTP."""

import re
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from schema import counts
from schema.runtime.transactions import transaction
from tests.api.requests import create, faults, problem
from tests.rows import claim, limit, make

FIELDS = """name description max_concurrency rate_limit rate_period_seconds timeout_seconds
retry_limit retention_days retention_failed_days is_paused paused_reason paused_by paused_at
resume_at depth counted_at in_progress
oldest_age_seconds created_at updated_at"""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
LIMITS = {
    "description": "for mail",
    "max_concurrency": 5,
    "rate_limit": 10,
    "rate_period_seconds": 60,
    "timeout_seconds": 30,
    "retry_limit": 0,
    "retention_days": 7,
    "retention_failed_days": 0,
}


def add(client: TestClient, name: str, **fields: Any) -> dict[str, Any]:
    response = client.post("/queues", json={"name": name} | fields)
    assert response.status_code == 201, response.text
    queue: dict[str, Any] = response.json()
    return queue


def test_a_queue_is_created_with_what_it_is_given(client: TestClient) -> None:
    response = client.post("/api/v1/queues", json={"name": "mail"} | LIMITS)

    assert response.status_code == 201
    assert response.headers["location"] == "/api/v1/queues/mail"
    queue = response.json()
    assert set(queue) == set(FIELDS.split())
    assert {name: queue[name] for name in LIMITS} == LIMITS
    assert MOMENT.fullmatch(queue["created_at"])
    assert client.get("/queues/mail").json() == queue


def test_how_long_a_queue_keeps_its_tasks_is_changed_and_taken_back(client: TestClient) -> None:
    add(client, "mail")
    for days in (1, 0, 36_500, None):
        changed = client.patch("/queues/mail", json={"retention_days": days}).json()
        assert (changed["retention_days"], changed["retention_failed_days"]) == (days, None)
    for wrong in (-1, 36_501, 1.5, "7"):
        problem(client.patch("/queues/mail", json={"retention_days": wrong}), 422, "invalid")


def test_who_paused_a_queue_is_told_until_it_is_resumed(client: TestClient) -> None:
    add(client, "mail")
    assert client.post("/queues/mail/pause").json()["paused_by"] == "operator"
    task = create(client, queue="mail")
    why = client.get(f"/tasks/{task['id']}/why").json()["reasons"]
    [paused] = [each for each in why if each["code"] == "paused_queue"]
    assert paused["values"]["actor"] == "operator"
    assert "By operator." in paused["detail"]
    assert client.post("/queues/mail/resume").json()["paused_by"] is None


def test_a_queue_may_have_nothing_but_a_name(client: TestClient) -> None:
    queue = add(client, "runninghub:main.1")

    assert (queue["max_concurrency"], queue["rate_limit"]) == (None, None)
    assert (queue["rate_period_seconds"], queue["is_paused"]) == (1, False)
    assert (queue["depth"], queue["in_progress"], queue["oldest_age_seconds"]) == (0, 0, None)
    assert client.get("/queues/runninghub:main.1").json() == queue


def test_a_queue_comes_to_be_with_its_first_task(client: TestClient) -> None:
    create(client, queue="reports")

    assert [queue["name"] for queue in client.get("/queues").json()] == ["reports"]


def test_a_name_is_taken_once(client: TestClient) -> None:
    create(client, queue="mail")

    document = problem(client.post("/queues", json={"name": "mail"}), 409, "queue_exists")

    assert "PATCH" in document["detail"]


def test_it_says_how_it_stands(client: TestClient, engine: Engine) -> None:
    make(engine, 3, queue="q")
    claim(engine)
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)

    queue = client.get("/queues/q").json()

    assert (queue["depth"], queue["in_progress"]) == (2, 1)
    assert MOMENT.fullmatch(queue["counted_at"])
    assert 0 < queue["oldest_age_seconds"] < 60


def test_limits_are_changed_and_taken_away(client: TestClient) -> None:
    before = add(client, "q", **LIMITS)

    changes = {"max_concurrency": None, "retry_limit": 7, "rate_limit": 1}
    after = client.patch("/queues/q", json=changes).json()

    assert {name: value for name, value in after.items() if before[name] != value} == (
        changes | {"updated_at": after["updated_at"]}
    )
    assert client.patch("/queues/q", json={}).json() == after


def test_new_tasks_get_its_defaults_as_they_are(client: TestClient) -> None:
    add(client, "q", timeout_seconds=30, retry_limit=0)
    first = create(client, queue="q")
    client.patch("/queues/q", json={"timeout_seconds": None, "retry_limit": 9})
    second = create(client, queue="q")

    assert (first["timeout_seconds"], first["retry_limit"]) == (30, 0)
    assert (second["timeout_seconds"], second["retry_limit"]) == (300, 9)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_concurrency", -1),
        ("max_concurrency", 1.5),
        ("max_concurrency", 1_000_001),
        ("max_concurrency", "5"),
        ("rate_limit", 0),
        ("rate_period_seconds", 0),
        ("rate_period_seconds", None),
        ("timeout_seconds", 0),
        ("timeout_seconds", 604_801),
        ("retry_limit", 101),
        ("description", "\0"),
        ("is_paused", True),
        ("depth", 1),
    ],
)
def test_a_value_that_cannot_be_is_named(client: TestClient, field: str, value: Any) -> None:
    add(client, "q")

    assert list(faults(client.post("/queues", json={"name": "new", field: value}))) == [f"/{field}"]
    assert list(faults(client.patch("/queues/q", json={field: value}))) == [f"/{field}"]


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "a/b", "队列", "a" * 101, None])
def test_a_name_is_one_that_tasks_can_have(client: TestClient, name: Any) -> None:
    assert list(faults(client.post("/queues", json={"name": name}))) == ["/name"]


def test_whoever_wants_to_pause_it_is_told_how(client: TestClient) -> None:
    add(client, "q")

    (detail,) = faults(client.patch("/queues/q", json={"is_paused": True})).values()

    assert "/pause" in detail


def test_a_name_cannot_be_changed(client: TestClient) -> None:
    add(client, "q")

    assert list(faults(client.patch("/queues/q", json={"name": "r"}))) == ["/name"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
    ],
)
def test_a_queue_that_is_not_there_is_not_found(client: TestClient, method: str, path: str) -> None:
    body = {"max_concurrency": 1} if method == "PATCH" else None

    response = client.request(method, f"/queues/none{path}", json=body)

    document = problem(response, 404, "queue_not_found")
    assert document["detail"] == "There is no queue none."


class TestPausing:
    def test_a_paused_queue_says_why(self, client: TestClient) -> None:
        add(client, "q")

        response = client.post("/queues/q/pause", json={"reason": "停机维护"})

        assert response.status_code == 200
        queue = response.json()
        assert (queue["is_paused"], queue["paused_reason"]) == (True, "停机维护")
        assert MOMENT.fullmatch(queue["paused_at"])
        assert queue["resume_at"] is None

    def test_nothing_more_of_it_is_claimed_until_it_resumes(
        self, client: TestClient, engine: Engine
    ) -> None:
        create(client, queue="q")
        client.post("/queues/q/pause")
        assert claim(engine) == []

        response = client.post("/queues/q/resume", json={"reason": "it is mended"})

        assert response.status_code == 200
        assert response.json()["is_paused"] is False
        assert len(claim(engine)) == 1

    def test_it_may_resume_by_itself(self, client: TestClient) -> None:
        add(client, "q")

        queue = client.post("/queues/q/pause", json={"seconds": 60}).json()

        assert queue["paused_at"] < queue["resume_at"]

    @pytest.mark.parametrize("verb", ["pause", "resume"])
    def test_a_goal_that_holds_changes_nothing(self, client: TestClient, verb: str) -> None:
        add(client, "q")
        first = client.post(f"/queues/q/{verb}", json={"reason": "one"}).json()

        second = client.post(f"/queues/q/{verb}", json={"reason": "two"})

        assert (second.status_code, second.json()) == (200, first)

    @pytest.mark.parametrize(
        "body", [{"seconds": 0}, {"seconds": 31_536_001}, {"seconds": "5"}, {"reason": 5}]
    )
    def test_a_pause_that_cannot_be_is_refused(
        self, client: TestClient, body: dict[str, Any]
    ) -> None:
        add(client, "q")

        assert list(faults(client.post("/queues/q/pause", json=body))) == [f"/{next(iter(body))}"]


class TestDeleting:
    def test_an_empty_queue_is_gone(self, client: TestClient) -> None:
        add(client, "q")

        assert client.delete("/queues/q").status_code == 204

        problem(client.get("/queues/q"), 404, "queue_not_found")

    def test_one_with_tasks_is_kept(self, client: TestClient) -> None:
        task = create(client, queue="q")

        problem(client.delete("/queues/q"), 409, "queue_not_empty")

        client.delete(f"/tasks/{task['id']}")
        assert client.delete("/queues/q").status_code == 204


class TestListing:
    def test_they_come_by_name_in_pages(self, client: TestClient) -> None:
        for name in ("b", "c", "a"):
            add(client, name)

        first = client.get("/api/queues?limit=2&include_total=true")
        link = re.fullmatch('<(.+)>; rel="next"', first.headers["link"])
        assert link
        rest = client.get(link[1])

        assert [queue["name"] for queue in first.json() + rest.json()] == ["a", "b", "c"]
        assert link[1].startswith("/api/queues?")
        assert first.headers["x-total-count"] == rest.headers["x-total-count"] == "3"
        assert "link" not in rest.headers

    def test_a_queue_of_the_list_is_like_a_single_one(
        self, client: TestClient, engine: Engine
    ) -> None:
        limit(engine, "q", max_concurrency=1)

        (queue,) = client.get("/queues").json()

        assert queue == client.get("/queues/q").json()

    def test_there_may_be_none(self, client: TestClient) -> None:
        assert client.get("/queues").json() == []

    @pytest.mark.parametrize(
        ("query", "pointer"), [("limit=0", "/limit"), ("limit=501", "/limit"), ("name=a", "/name")]
    )
    def test_a_parameter_that_cannot_be_is_named(
        self, client: TestClient, query: str, pointer: str
    ) -> None:
        assert list(faults(client.get(f"/queues?{query}"))) == [pointer]
