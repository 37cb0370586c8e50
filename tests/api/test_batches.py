"""The verbs on many tasks."""

from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import Engine
from starlette.testclient import TestClient

from reaper.batches import carry_on
from schema.runtime.stopping import Stopping
from schema.states import ANY, MOVES, WAITING, Status, Verb, state_of
from tests.api.requests import create, faults, problem
from tests.rows import claim, fail, make, remove, row, rows
from tests.schema.test_verbs import HOLDS, in_status

VERBS = [Verb.START, Verb.STOP, Verb.PAUSE, Verb.RESUME, Verb.DELETE]


def post(client: TestClient, verb: Verb, **body: Any) -> Response:
    return client.post(f"/tasks/batch/{verb}", json=body)


@pytest.mark.parametrize("verb", VERBS)
def test_a_batch_allows_what_the_verb_allows_on_one_task(
    client: TestClient, engine: Engine, verb: Verb
) -> None:
    waiting_last = [*sorted(ANY - WAITING), Status.RETRYING, Status.TO_DO]
    ids = {status: in_status(engine, status) for status in waiting_last}

    report = post(client, verb, ids=list(ids.values())).json()

    refused = [
        status
        for status in ids
        if status not in MOVES[verb].sources and (verb, status) not in HOLDS
    ]
    assert report["requested"] == len(ids)
    assert report["succeeded"] == len(ids) - len(refused)
    assert [(each["id"], each["code"], each["current_state"]) for each in report["failed"]] == [
        (ids[status], "state_forbids", state_of(status, None)) for status in refused
    ]
    for each in report["failed"]:
        alone = problem(client.post(f"/tasks/{each['id']}/{verb}"), 409, "state_forbids")
        assert alone["detail"] == each["detail"]


def test_a_report_is_in_the_order_asked_and_tells_what_is_missing(
    client: TestClient, engine: Engine
) -> None:
    done, waiting, gone = in_status(engine, Status.DONE), *make(engine, 2)
    remove(engine, gone)
    unheard = 10**15

    report = post(client, Verb.STOP, ids=[gone, waiting, done, waiting, unheard]).json()

    assert (report["requested"], report["succeeded"]) == (4, 1)
    assert [list(each.values()) for each in report["failed"]] == [
        [gone, "task_not_found", f"There is no task {gone}.", None],
        [done, "state_forbids", f"Task {done} is SUCCESS: stop is not allowed now.", "SUCCESS"],
        [unheard, "task_not_found", f"There is no task {unheard}.", None],
    ]
    assert list(report["failed"][0]) == ["id", "code", "detail", "current_state"]


def test_a_report_can_be_had_in_chinese(client: TestClient) -> None:
    client.headers["accept-language"] = "zh"

    (failed,) = post(client, Verb.STOP, ids=[7]).json()["failed"]

    assert failed["detail"] == "任务 7 不存在。"


def test_a_start_whose_key_lives_elsewhere_is_reported_with_that_task(client: TestClient) -> None:
    first = create(client, unique_key="k")
    post(client, Verb.STOP, ids=[first["id"]])
    second = create(client, unique_key="k")

    (failed,) = post(client, Verb.START, ids=[first["id"]]).json()["failed"]

    assert (failed["code"], failed["existing_id"]) == ("unique_key_taken", second["id"])
    assert failed["current_state"] == "STOPPED"


def test_a_reason_is_kept_with_each_event(client: TestClient, engine: Engine) -> None:
    ids = make(engine, 2)

    post(client, Verb.PAUSE, ids=ids, reason="maintenance")
    post(client, Verb.DELETE, ids=ids, reason="无用")

    events = rows(engine, "SELECT task_id, actor, verb, reason FROM task_events ORDER BY id")
    assert {each["task_id"] for each in events} == set(ids)
    assert [(each["actor"], each["verb"], each["reason"]) for each in events] == [
        *[("operator", "pause", "maintenance")] * 2,
        *[("client", "delete", "无用")] * 2,
    ]


def test_a_delete_has_two_addresses(client: TestClient, engine: Engine) -> None:
    running, one, two = make(engine, 3)
    claim(engine)

    by_post = client.post("/tasks/batch/delete", json={"ids": [two]})
    by_delete = client.request("DELETE", "/tasks/batch", json={"ids": [one, two, running]})

    assert by_post.json() == {"requested": 1, "succeeded": 1, "failed": []}
    assert by_delete.json()["succeeded"] == 2
    assert client.get("/tasks").json() == []


class TestFilter:
    def test_the_filters_of_the_list_say_which(self, client: TestClient, engine: Engine) -> None:
        wanted = make(engine, 2, queue="q", tags=["x"])
        make(engine, queue="q")
        make(engine, queue="other", tags=["x"])

        report = post(
            client, Verb.PAUSE, filter={"queue": "q", "tag": ["x", "y"], "state": ["PENDING"]}
        )

        assert report.json() == {"requested": 2, "succeeded": 2, "failed": []}
        paused = rows(engine, "SELECT id FROM tasks WHERE status = 'paused' ORDER BY id")
        assert [each["id"] for each in paused] == wanted

    def test_failures_come_newest_first(self, client: TestClient, engine: Engine) -> None:
        ids = [in_status(engine, Status.DONE) for _ in range(3)]

        report = post(client, Verb.STOP, filter={"status": "done"}).json()

        assert [each["id"] for each in report["failed"]] == ids[::-1]

    def test_the_tasks_of_a_schedule_can_be_meant(self, client: TestClient, engine: Engine) -> None:
        (mine, _) = [*make(engine, schedule_id=5), *make(engine, schedule_id=6)]

        report = post(client, Verb.STOP, filter={"schedule_id": 5}).json()

        assert (report["requested"], report["succeeded"]) == (1, 1)
        assert row(engine, mine)["status"] == "cancelled"

    def test_a_filter_that_nothing_matches_does_nothing(self, client: TestClient) -> None:
        report = post(client, Verb.STOP, filter={"queue": "none"}).json()

        assert report == {"requested": 0, "succeeded": 0, "failed": []}

    def test_a_thousand_are_done_at_once(self, client: TestClient, engine: Engine) -> None:
        make(engine, 1_000)

        response = post(client, Verb.STOP, filter={"status": "to_do"})

        assert (response.status_code, response.json()["succeeded"]) == (200, 1_000)

    def test_more_are_done_in_the_background(self, client: TestClient, engine: Engine) -> None:
        make(engine, 2_300)
        fail(engine, *claim(engine), for_good=True)

        response = client.post(
            "/api/v1/tasks/batch/stop", json={"filter": {"queue": "default"}, "reason": "enough"}
        )
        begun = response.json()
        make(engine)
        carry_on(engine, Stopping())
        ended = client.get(response.headers["location"]).json()

        assert response.status_code == 202
        assert response.headers["location"] == f"/api/v1/batches/{begun['id']}"
        assert (begun["status"], begun["requested"], begun["finished_at"]) == ("running", 0, None)
        assert begun["filter"] == {"queue": ["default"]}
        assert (ended["status"], ended["verb"], ended["reason"]) == ("completed", "stop", "enough")
        assert (ended["requested"], ended["succeeded"]) == (2_300, 2_299)
        (failed,) = ended["failed"]
        assert (failed["code"], failed["current_state"]) == ("state_forbids", "FAILED")
        counts = rows(engine, "SELECT status, COUNT(*) AS n FROM tasks GROUP BY status")
        assert {each["status"]: each["n"] for each in counts} == {
            "to_do": 1,
            "failed": 1,
            "cancelled": 2_299,
        }


class TestDryRun:
    def test_it_only_counts(self, client: TestClient, engine: Engine) -> None:
        ids = make(engine, 3, queue="q")

        for which in ({"ids": [*ids, ids[0]]}, {"filter": {"queue": "q"}}):
            report = client.post("/tasks/batch/delete", json=which | {"dry_run": True})
            assert report.json() == {"requested": 3, "succeeded": 0, "failed": []}

        assert {row(engine, task_id)["version"] for task_id in ids} == {1}

    def test_it_counts_beyond_what_a_request_would_do(
        self, client: TestClient, engine: Engine
    ) -> None:
        make(engine, 1_200)

        response = post(client, Verb.STOP, filter={"status": "to_do"}, dry_run=True)

        assert (response.status_code, response.json()["requested"]) == (200, 1_200)
        assert rows(engine, "SELECT id FROM batches") == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"ids": [1], "filter": {"queue": "q"}}, ""),
        ({"ids": []}, "/ids"),
        ({"ids": [0]}, "/ids/0"),
        ({"ids": ["1"]}, "/ids/0"),
        ({"ids": [True]}, "/ids/0"),
        ({"ids": [2**63]}, "/ids/0"),
        ({"ids": list(range(1, 1_002))}, "/ids"),
        ({"ids": 5}, "/ids"),
        ({"filter": {}}, "/filter"),
        ({"filter": {"status": []}}, "/filter"),
        ({"filter": {"tag_match": "all"}}, "/filter"),
        ({"filter": []}, "/filter"),
        ({"filter": {"status": "ready"}}, "/filter/status/0"),
        ({"filter": {"status": [5]}}, "/filter/status/0"),
        ({"filter": {"worker_id": "x"}}, "/filter/worker_id"),
        ({"filter": {"status": "done", "limit": 5}}, "/filter/limit"),
        ({"ids": [1], "dry_run": "yes"}, "/dry_run"),
        ({"ids": [1], "reason": 5}, "/reason"),
        ({"ids": [1], "force": True}, "/force"),
    ],
)
def test_a_batch_that_does_not_say_which_is_refused(
    client: TestClient, body: Any, pointer: str
) -> None:
    assert list(faults(client.post("/tasks/batch/delete", json=body))) == [pointer]


def test_an_empty_filter_is_told_why(client: TestClient) -> None:
    assert "at least one filter" in faults(post(client, Verb.DELETE, filter={}))["/filter"]


@pytest.mark.parametrize("path", ["/tasks/batch", "/tasks/batch/pause"])
def test_batch_addresses_are_not_numbers_of_tasks(client: TestClient, path: str) -> None:
    problem(client.get(path), 405, "method_not_allowed")


@pytest.mark.parametrize("number", ["1", "0", "x"])
def test_a_batch_that_there_is_not_is_not_found(client: TestClient, number: str) -> None:
    code = "batch_not_found" if number == "1" else "not_found"
    problem(client.get(f"/batches/{number}"), 404, code)


def test_a_batch_takes_every_filter_of_the_list(client: TestClient, engine: Engine) -> None:
    late = create(client, title="Late", due_date="2026-01-01T00:00:00Z")["id"]
    make(engine, title="Later")
    wanted = {"q": "Lat", "overdue": True, "created_after": "2026-01-01T00:00:00Z"}

    report = post(client, Verb.STOP, filter=wanted).json()

    assert report == {"requested": 1, "succeeded": 1, "failed": []}
    assert row(engine, late)["status"] == "cancelled"


def test_a_large_batch_remembers_every_filter(client: TestClient, engine: Engine) -> None:
    make(engine, 1_001, title="many")
    wanted = {"q": "many", "overdue": False, "created_after": "2026-01-01T00:00:00Z"}

    begun = post(client, Verb.PAUSE, filter=wanted)
    assert begun.status_code == 202
    carry_on(engine, Stopping())

    done = client.get(begun.headers["location"]).json()
    assert (done["status"], done["succeeded"]) == ("completed", 1_001)


def test_batches_are_listed_newest_first_page_by_page(client: TestClient, engine: Engine) -> None:
    make(engine, 501)
    make(engine, 500)
    begun = [post(client, Verb.PAUSE, filter={"queue": "default"}).json()["id"] for _ in range(3)][
        ::-1
    ]

    first = client.get("/batches?limit=2")
    rest = client.get(first.links["next"]["url"])

    assert [each["id"] for each in [*first.json(), *rest.json()]] == begun
    assert (first.json()[0]["status"], first.json()[0]["verb"]) == ("running", "pause")
    assert "failed" not in first.json()[0]
    assert "next" not in rest.links
    assert faults(client.get("/batches?limit=0")).keys() == {"/limit"}
