"""GET /tasks."""

from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.api.requests import create, faults, listed
from tests.rows import change, claim, fail, make, succeed


def test_a_list_is_a_bare_array_newest_first(client: TestClient) -> None:
    first, second = create(client), create(client)

    response = client.get("/tasks")

    assert [task["id"] for task in response.json()] == [second["id"], first["id"]]
    assert "x-total-count" not in response.headers
    assert client.get("/tasks?status=done").json() == []


def test_a_list_leaves_out_what_is_large(client: TestClient) -> None:
    task = create(client, payload={"a": 1})

    (shown,) = client.get("/tasks").json()

    assert task.keys() - shown.keys() == {"payload", "result", "checkpoint"}
    assert shown == {name: task[name] for name in shown}


FILTERS: list[tuple[str, set[str]]] = [
    ("", {"a", "b", "c"}),
    ("status=to_do", {"a", "b"}),
    ("status=to_do&status=paused", {"a", "b", "c"}),
    ("status=done", set()),
    ("priority=%E9%AB%98", {"a"}),
    ("priority=high&priority=low", {"a", "c"}),
    ("tag=x", {"a", "b"}),
    ("tag=x&tag=y", {"a", "b", "c"}),
    ("tag=x&tag=y&tag_match=all", {"b"}),
    ("tag=X", set()),
    ("queue=q1", {"a", "c"}),
    ("queue=q1&queue=q2", {"a", "b", "c"}),
    ("task_type=t", {"b"}),
    ("account_id=%E5%AE%A2", {"c"}),
    ("queue=q1&tag=y&status=paused&priority=low&account_id=%E5%AE%A2", {"c"}),
    ("queue=q1&tag=y&status=to_do", set()),
    ("q=b", {"b"}),
    ("q=c&queue=q1", {"c"}),
    ("created_after=2026-01-01T00:00:00%2B08:00&priority=low", {"c"}),
    ("created_before=2026-01-01T00:00:00Z", set()),
    ("overdue=true", {"b"}),
    ("overdue=false", {"a", "c"}),
    ("error_class=ValueError", set()),
    ("batch_id=7", set()),
]


@pytest.mark.parametrize(("query", "titles"), FILTERS)
def test_filters_combine(client: TestClient, query: str, titles: set[str]) -> None:
    create(client, title="a", priority="高", tags=["x"], queue="q1")
    create(
        client,
        title="b",
        tags=["x", "y"],
        queue="q2",
        task_type="t",
        due_date="2026-01-01T00:00:00Z",
    )
    create(client, title="c", priority="低", tags=["y"], queue="q1", account_id="客", hold=True)

    assert {task["title"] for task in client.get(f"/tasks?{query}").json()} == titles


def test_tasks_of_every_status_are_found_by_it(client: TestClient, engine: Engine) -> None:
    make(engine, 3)
    done, running = claim(engine, 2)
    succeed(engine, done)

    assert listed(client, "status=done") == [done.id]
    assert listed(client, "status=in_progress") == [running.id]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=READY", ["paused"]),
        ("state=PENDING", ["retrying", "to_do"]),
        ("state=QUEUED", ["queued"]),
        ("state=RUNNING", ["running", "silent"]),
        ("state=QUEUED&state=RUNNING", ["queued", "running", "silent"]),
        ("state=QUEUED&state=READY", ["paused", "queued"]),
        ("state=RUNNING&state=READY", ["paused", "running", "silent"]),
        ("state=SUCCESS", ["done"]),
        ("state=FAILED", ["failed"]),
        ("state=STOPPED", ["cancelled"]),
        ("state=pending", ["retrying", "to_do"]),
        ("state=running", ["queued", "running", "silent"]),
        ("state=running&state=QUEUED", ["queued", "running", "silent"]),
        ("state=paused", ["paused"]),
        ("state=completed&state=error", ["done", "failed"]),
        ("state=PENDING&status=retrying", ["retrying"]),
        ("state=PENDING&status=done", []),
    ],
)
def test_tasks_of_every_state_are_found_by_its_words(
    client: TestClient, engine: Engine, query: str, found: list[str]
) -> None:
    for title, stage in (("queued", "'QUEUED'"), ("running", "'RUNNING'"), ("silent", "NULL")):
        (task_id,) = make(engine, title=title)
        claim(engine)
        change(engine, task_id, f"stage = {stage}")
    for title in ("done", "failed", "retrying"):
        make(engine, title=title, retry_limit=0 if title == "failed" else 1)
        (succeed if title == "done" else fail)(engine, *claim(engine))
    make(engine, title="paused", hold=True)
    (task_id,) = make(engine, title="cancelled")
    client.post(f"/tasks/{task_id}/stop")
    make(engine, title="to_do")

    assert sorted(task["title"] for task in client.get(f"/tasks?{query}").json()) == found


@pytest.mark.parametrize("prefix", ["", "/api", "/api/v1"])
def test_next_links_lead_through_all_matching_tasks(
    client: TestClient, engine: Engine, prefix: str
) -> None:
    ids = make(engine, 7, queue="q", tags=["标 签"])
    make(engine, 3, queue="other")
    url = f"{prefix}/tasks?queue=q&tag=%E6%A0%87%20%E7%AD%BE&limit=3&offset=0"

    pages = []
    while url:
        response = client.get(url)
        pages.append([task["id"] for task in response.json()])
        link = response.links.get("next", {}).get("url", "")
        assert link.startswith(f"{prefix}/tasks?") or not link
        url = str(link)

    newest_first = ids[::-1]
    assert pages == [newest_first[:3], newest_first[3:6], newest_first[6:]]


def test_a_next_link_goes_on_from_an_offset(client: TestClient, engine: Engine) -> None:
    ids = make(engine, 6)[::-1]

    response = client.get("/tasks?limit=2&offset=2")

    assert [task["id"] for task in response.json()] == ids[2:4]
    assert listed(client, response.links["next"]["url"].partition("?")[2]) == ids[4:]


def test_a_list_has_100_tasks_unless_asked_for_up_to_500(
    client: TestClient, engine: Engine
) -> None:
    make(engine, 510)

    assert len(listed(client)) == 100
    assert len(listed(client, "limit=500")) == 500


def test_a_total_is_counted_when_asked_for(client: TestClient, engine: Engine) -> None:
    make(engine, 3, queue="q")
    make(engine, 2)

    response = client.get("/tasks?queue=q&limit=1&include_total=true")

    assert response.headers["x-total-count"] == "3"
    assert len(response.json()) == 1


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("colour=red", "/colour"),
        ("id=5", "/id"),
        ("status=ready", "/status/0"),
        ("status=to_do&status=", "/status/1"),
        ("state=Ready", "/state/0"),
        ("state=SUCCESS,FAILED", "/state/0"),
        ("priority=urgent", "/priority/0"),
        ("tag=", "/tag/0"),
        ("tag=a%00b", "/tag/0"),
        ("tag_match=some", "/tag_match"),
        ("queue=a%20b", "/queue/0"),
        ("task_type=%27", "/task_type/0"),
        ("account_id=%0A", "/account_id/0"),
        ("schedule_id=0", "/schedule_id/0"),
        ("batch_id=a", "/batch_id/0"),
        ("error_class=", "/error_class/0"),
        ("q=%20", "/q"),
        ("q=a%00", "/q"),
        ("q=a&q=b", "/q"),
        ("created_after=yesterday", "/created_after"),
        ("created_before=2026-13-01T00:00:00Z", "/created_before"),
        ("overdue=late", "/overdue"),
        ("limit=0", "/limit"),
        ("limit=501", "/limit"),
        ("limit=ten", "/limit"),
        ("limit=1&limit=2", "/limit"),
        ("limit=" + "9" * 5_000, "/limit"),
        ("offset=-1", "/offset"),
        ("offset=10001", "/offset"),
        ("before_id=0", "/before_id"),
        (f"before_id={2**63}", "/before_id"),
        ("include_total=perhaps", "/include_total"),
        ("&".join(f"queue=q{number}" for number in range(51)), "/queue"),
    ],
)
def test_a_parameter_or_value_that_is_unknown_is_named(
    client: TestClient, query: str, pointer: str
) -> None:
    assert list(faults(client.get(f"/tasks?{query}"))) == [pointer]


def test_a_value_that_is_unknown_is_told_what_there_is(client: TestClient) -> None:
    response = client.get("/tasks?status=ready")

    assert "in_progress" in faults(response)["/status/0"]


def test_a_running_task_that_was_deleted_is_not_listed(client: TestClient, engine: Engine) -> None:
    task_id, other = make(engine, 2)
    claim(engine)

    client.delete(f"/tasks/{task_id}")

    response = client.get("/tasks?include_total=true")
    assert [task["id"] for task in response.json()] == [other]
    assert response.headers["x-total-count"] == "1"


def test_any_value_of_a_filter_is_only_ever_data(client: TestClient) -> None:
    create(client, tags=["x"])
    hostile: dict[str, Any] = {"tag": "x' OR '1'='1", "account_id": "%"}

    assert client.get("/tasks", params=hostile).json() == []
