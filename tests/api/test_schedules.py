"""Schedules over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api.main import build
from schema.runtime.settings import Settings
from tests.api.requests import faults, local_client, problem
from tests.rows import claim, rows
from tests.schedule_rows import change_schedule, fire, let_fall_due, schedule

EVERYTHING: dict[str, Any] = {
    "name": "日报",
    "title": "{name} {date} #{round}",
    "description": "long",
    "task_type": "report",
    "queue": "q",
    "priority": "高",
    "payload": {"big": 2**63, "list": [1.5, None, True, "\u2028"]},
    "tags": ["beta", "核心"],
    "timeout_seconds": 5,
    "retry_limit": 0,
    "account_id": "客 1",
    "interval": 60,
    "timezone": "Asia/Shanghai",
    "valid_time_range": [[8, 12], ["14:30", 24]],
    "start_at": "2031-05-06T07:08:09.123456Z",
    "task_end_time": "2032-01-01",
    "max_rounds": 7,
    "overlap": "replace",
    "misfire": "skip",
    "unique": False,
}


def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    """Create a schedule and return it."""
    response = client.post("/schedules", json={"name": "a schedule"} | fields)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


def listed(client: TestClient, query: str = "") -> list[int]:
    """Return the ids of a list."""
    response = client.get(f"/schedules?{query}")
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()]


class TestCreate:
    def test_a_name_is_enough(self, client: TestClient) -> None:
        response = client.post("/schedules", json={"name": "s"})

        created = response.json()
        assert response.status_code == 201
        assert response.headers["location"] == f"/schedules/{created['id']}"
        assert (created["interval"], created["cron"]) == (3600, None)
        assert (created["valid_time_range"], created["timezone"]) == ([8, 22], "UTC")
        assert (created["status"], created["round_num"]) == ("active", 0)
        assert created["last_execution_time"] is None
        assert created["next_execution_time"].endswith("Z")
        assert created["allowed_actions"] == ["pause", "reorder", "run", "delete"]

    def test_every_field_comes_back_as_it_was_sent(self, client: TestClient) -> None:
        created = create(client, **EVERYTHING)

        assert created == client.get(f"/schedules/{created['id']}").json()
        assert created | EVERYTHING == created

    def test_cron_has_no_window_unless_told(self, client: TestClient) -> None:
        created = create(client, cron="30 8  * * 1-5")

        assert (created["cron"], created["interval"]) == ("30 8 * * 1-5", None)
        assert created["valid_time_range"] is None
        assert create(client, cron="0 9 * * *", valid_time_range=[8, 22])["valid_time_range"]

    def test_a_title_is_a_name_too(self, client: TestClient) -> None:
        response = client.post("/schedules", json={"title": "t"})

        assert (response.json()["name"], response.json()["title"]) == ("t", "t")
        assert "" in faults(client.post("/schedules", json={}))

    def test_the_time_zone_is_that_of_the_settings(self, engine: Engine, database_url: str) -> None:
        chosen = Settings(database_url=database_url, timezone="Asia/Shanghai")
        with local_client(build(lambda: chosen)) as client:
            assert create(client)["timezone"] == "Asia/Shanghai"
            assert create(client, timezone="UTC")["timezone"] == "UTC"
        assert len(rows(engine, "SELECT id FROM schedules")) == 2

    def test_overlap_is_queue_where_all_missed_runs_are_wanted(self, client: TestClient) -> None:
        assert create(client, misfire="all")["overlap"] == "queue"
        assert create(client, misfire="all", overlap="skip")["overlap"] == "skip"


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "/name"),
    ({"name": None, "title": "{colour}"}, "/title"),
    ({"title": "{}"}, "/title"),
    ({"title": "{account_id}"}, "/title"),
    ({"title": "x" * 256}, "/title"),
    ({"interval": 0}, "/interval"),
    ({"interval": 1.5}, "/interval"),
    ({"interval": "60"}, "/interval"),
    ({"interval": 10**12}, "/interval"),
    ({"cron": ""}, "/cron"),
    ({"cron": "* * * *"}, "/cron"),
    ({"cron": "61 * * * *"}, "/cron"),
    ({"cron": "0 0 30 2 *"}, "/cron"),
    ({"cron": 5}, "/cron"),
    ({"cron": "0 0 * * *" + " " * 300}, "/cron"),
    ({"cron": "0 0 * * *", "interval": 60}, ""),
    ({"cron": "0 3 * * *", "valid_time_range": [8, 22]}, ""),
    ({"timezone": "CEST"}, "/timezone"),
    ({"timezone": "../../etc/passwd"}, "/timezone"),
    ({"timezone": 8}, "/timezone"),
    ({"valid_time_range": []}, "/valid_time_range"),
    ({"valid_time_range": [8, 8]}, "/valid_time_range"),
    ({"valid_time_range": [8, 25]}, "/valid_time_range"),
    ({"valid_time_range": "8-22"}, "/valid_time_range"),
    ({"valid_time_range": [[8, 12], 14]}, "/valid_time_range"),
    ({"start_at": "tomorrow"}, "/start_at"),
    ({"start_at": "9999-12-31T23:59:59Z"}, ""),
    ({"task_end_time": "2031-02-30"}, "/task_end_time"),
    ({"task_end_time": "2031-01-01T00:00:00Z"}, "/task_end_time"),
    ({"task_end_time": "0999-01-01"}, "/task_end_time"),
    ({"task_end_time": "2020-01-01"}, ""),
    ({"max_rounds": 0}, "/max_rounds"),
    ({"overlap": "wait"}, "/overlap"),
    ({"misfire": None}, "/misfire"),
    ({"unique": 1}, "/unique"),
    ({"payload": 2**64}, "/payload"),
    ({"queue": "a b"}, "/queue"),
    ({"tags": [" x"]}, "/tags/0"),
    ({"account_id": "a "}, "/account_id"),
    ({"status": "paused"}, "/status"),
    ({"due_date": "2031-01-01T00:00:00Z"}, "/due_date"),
    ({"next_execution_time": "2031-01-01T00:00:00Z"}, "/next_execution_time"),
]


@pytest.mark.parametrize(("fields", "pointer"), INVALID)
def test_what_cannot_be_taken_is_named(
    client: TestClient, engine: Engine, fields: dict[str, Any], pointer: str
) -> None:
    response = client.post("/schedules", json={"name": "s"} | fields)

    assert list(faults(response)) == [pointer]
    assert rows(engine, "SELECT id FROM schedules") == []


def test_an_unknown_placeholder_is_told_what_there_is(client: TestClient) -> None:
    body = {"title": "{name} {colour}"}

    told = faults(client.post("/schedules", json=body))["/title"]
    in_chinese = client.post("/schedules", json=body, headers={"accept-language": "zh"})

    assert "{colour}; there are {account_id}, {date}, {name}, {round}, {time}" in told
    assert "没有占位符 {colour}" in in_chinese.json()["errors"][0]["detail"]


class TestUniqueness:
    def test_a_second_live_one_of_an_account_is_told_which_is_there(
        self, client: TestClient
    ) -> None:
        first = create(client, account_id="account_1", task_type="xhs_type")

        response = client.post(
            "/schedules", json={"name": "s", "account_id": "account_1", "task_type": "xhs_type"}
        )

        document = problem(response, 409, "schedule_exists")
        assert document["existing_id"] == first["id"]

    def test_of_50_simultaneous_creations_one_wins(self, client: TestClient) -> None:
        body = {"name": "s", "account_id": "a"}

        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: client.post("/schedules", json=body), range(50)))

        (new,) = [each.json()["id"] for each in answers if each.status_code == 201]
        refused = [each.json() for each in answers if each.status_code == 409]
        assert [each["existing_id"] for each in refused] == [new] * 49


CHANGES: dict[str, Any] = {name: value for name, value in EVERYTHING.items() if name != "unique"}


class TestEdit:
    @pytest.mark.parametrize("name", CHANGES)
    def test_every_field_can_be_changed_by_itself(self, client: TestClient, name: str) -> None:
        created = create(client, start_at="2031-01-01T09:00:00Z", interval=30)

        response = client.patch(f"/schedules/{created['id']}", json={name: EVERYTHING[name]})

        assert response.status_code == 200, response.text
        changed = response.json()
        assert changed[name] == EVERYTHING[name]
        moving = {"version": 2, "updated_at": changed["updated_at"]}
        moving["next_execution_time"] = changed["next_execution_time"]
        assert changed == created | moving | {name: EVERYTHING[name]}

    def test_cron_and_interval_take_each_other_s_place(self, client: TestClient) -> None:
        path = f"/schedules/{create(client, valid_time_range=None)['id']}"

        by_cron = client.patch(path, json={"cron": "0 0 1 1 *"}).json()
        by_interval = client.patch(path, json={"interval": 60}).json()

        assert (by_cron["interval"], by_cron["cron"]) == (None, "0 0 1 1 *")
        assert by_cron["next_execution_time"].endswith("-01-01T00:00:00Z")
        assert (by_interval["interval"], by_interval["cron"]) == (60, None)
        assert "" in faults(client.patch(path, json={"interval": 60, "cron": "0 0 1 1 *"}))
        assert "/interval" in faults(client.patch(path, json={"interval": None}))

    @pytest.mark.parametrize(
        "changes",
        [{"title": "{x}"}, {"valid_time_range": [1]}, {"status": "paused"}, {"payload": 2**64}],
    )
    def test_a_change_is_checked_like_a_creation(
        self, client: TestClient, changes: dict[str, Any]
    ) -> None:
        created = create(client)

        assert list(faults(client.patch(f"/schedules/{created['id']}", json=changes))) == [
            f"/{name}" for name in changes
        ]
        assert client.get(f"/schedules/{created['id']}").json() == created

    def test_an_empty_change_changes_nothing(self, client: TestClient) -> None:
        created = create(client)

        assert client.patch(f"/schedules/{created['id']}", json={}).json() == created

    def test_a_change_into_another_one_s_place_is_refused(self, client: TestClient) -> None:
        first = create(client, account_id="a")
        second = create(client, account_id="b")

        response = client.patch(f"/schedules/{second['id']}", json={"account_id": "a"})

        assert problem(response, 409, "schedule_exists")["existing_id"] == first["id"]


class TestVerbs:
    def test_pause_and_resume(self, client: TestClient) -> None:
        path = f"/schedules/{create(client)['id']}"

        paused = client.post(f"{path}/pause").json()
        again = client.post(f"{path}/pause").json()
        resumed = client.post(f"{path}/resume").json()

        assert (paused["status"], paused["next_execution_time"]) == ("paused", None)
        assert paused["allowed_actions"] == ["resume", "run", "delete"]
        assert again == paused
        assert resumed["status"] == "active"
        assert resumed["next_execution_time"] is not None

    def test_what_the_status_does_not_allow_is_refused(
        self, client: TestClient, engine: Engine
    ) -> None:
        created = create(client, max_rounds=1, valid_time_range=None)
        fire(engine)

        for verb, body in (("pause", None), ("resume", None), ("run", None), ("reorder", 5)):
            sent = None if body is None else {"priority_offset": body}
            response = client.post(f"/schedules/{created['id']}/{verb}", json=sent)
            document = problem(response, 409, "schedule_forbids")
            assert document["current_state"] == "completed"
            assert document["allowed_actions"] == ["delete"]

    def test_reorder_says_when_it_runs_next(self, client: TestClient) -> None:
        created = create(client, start_at="2031-05-05T09:00:00Z")

        response = client.post(f"/schedules/{created['id']}/reorder", json={"priority_offset": 600})

        assert response.status_code == 200
        assert response.json()["new_next_execution_time"] == "2031-05-05T09:10:00Z"
        assert response.json()["next_execution_time"] == "2031-05-05T09:10:00Z"

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "/priority_offset"),
            ({"priority_offset": "5"}, "/priority_offset"),
            ({"priority_offset": 10**12}, "/priority_offset"),
            ({"to": "first"}, "/priority_offset"),
            ({"priority_offset": 31_536_000}, "/priority_offset"),
        ],
    )
    def test_a_move_that_is_none_is_refused(
        self, client: TestClient, body: dict[str, Any], pointer: str
    ) -> None:
        created = create(client, start_at="2031-05-05T09:00:00Z", task_end_time="2031-06-01")

        response = client.post(f"/schedules/{created['id']}/reorder", json=body)

        assert pointer in faults(response)

    def test_reorder_is_refused_while_the_task_runs(
        self, client: TestClient, engine: Engine
    ) -> None:
        created = create(client, valid_time_range=None)
        fire(engine)
        (claimed,) = claim(engine)

        response = client.post(f"/schedules/{created['id']}/reorder", json={"priority_offset": 60})

        assert problem(response, 409, "schedule_runs")["task_id"] == claimed.id

    def test_run_answers_with_the_task(self, client: TestClient) -> None:
        created = create(client, start_at="2031-01-01T00:00:00Z", title="{round}")

        response = client.post(f"/api/v1/schedules/{created['id']}/run")

        task = response.json()
        assert response.status_code == 201
        assert response.headers["location"] == f"/api/v1/tasks/{task['id']}"
        assert (task["title"], task["schedule_id"]) == ("1", created["id"])
        after = client.get(f"/schedules/{created['id']}").json()
        assert (after["round_num"], after["last_task_id"]) == (1, task["id"])
        assert after["next_execution_time"] == created["next_execution_time"]

    def test_a_template_that_a_dba_broke_makes_no_task(
        self, client: TestClient, engine: Engine
    ) -> None:
        created = create(client)
        change_schedule(engine, created["id"], "queue = 'a b'")

        problem(client.post(f"/schedules/{created['id']}/run"), 409, "schedule_broken")

    def test_times_that_a_dba_broke_are_told_until_they_are_mended(
        self, client: TestClient, engine: Engine
    ) -> None:
        path = f"/schedules/{create(client)['id']}"
        change_schedule(engine, int(path.rsplit("/", maxsplit=1)[-1]), "timezone = 'Mars/Olympus'")

        for response in (
            client.get(f"{path}/next"),
            client.post(f"{path}/run"),
            client.post(f"{path}/reorder", json={"priority_offset": 5}),
            client.patch(path, json={"title": "x"}),
        ):
            assert "Mars/Olympus" in problem(response, 409, "schedule_broken")["detail"]
        client.post(f"{path}/pause")
        problem(client.post(f"{path}/resume"), 409, "schedule_broken")
        assert client.patch(path, json={"timezone": "UTC"}).status_code == 200
        assert client.post(f"{path}/resume").json()["status"] == "active"

    def test_a_deleted_schedule_is_gone_and_its_tasks_stay(
        self, client: TestClient, engine: Engine
    ) -> None:
        created = create(client, valid_time_range=None)
        fire(engine)
        path = f"/schedules/{created['id']}"

        response = client.delete(path)

        assert (response.status_code, response.content) == (204, b"")
        for gone in (
            client.get(path),
            client.delete(path),
            client.patch(path, json={"name": "x"}),
            client.patch(path, json={}),
            client.post(f"{path}/pause"),
            client.post(f"{path}/resume"),
            client.post(f"{path}/run"),
            client.post(f"{path}/reorder", json={"priority_offset": 1}),
            client.get(f"{path}/tasks"),
            client.get(f"{path}/next"),
        ):
            problem(gone, 404, "schedule_not_found")
        assert len(client.get(f"/tasks?schedule_id={created['id']}").json()) == 1


class TestNext:
    def test_it_is_an_array_of_times(self, client: TestClient) -> None:
        created = create(client, start_at="2031-05-05T21:00:00Z")

        response = client.get(f"/schedules/{created['id']}/next?count=3")

        assert response.json() == [
            "2031-05-05T21:00:00Z",
            "2031-05-06T08:00:00Z",
            "2031-05-06T09:00:00Z",
        ]
        assert len(client.get(f"/schedules/{created['id']}/next").json()) == 10

    @pytest.mark.parametrize("count", ["0", "101", "x"])
    def test_the_count_has_limits(self, client: TestClient, count: str) -> None:
        path = f"/schedules/{create(client)['id']}/next?count={count}"

        assert list(faults(client.get(path))) == ["/count"]


class TestLists:
    def test_a_list_is_a_bare_array_newest_first_without_payloads(self, client: TestClient) -> None:
        first, second = create(client, payload={"a": 1}), create(client)

        shown = client.get("/schedules").json()

        assert [each["id"] for each in shown] == [second["id"], first["id"]]
        assert first.keys() - shown[1].keys() == {"payload"}
        assert shown[1] == {name: first[name] for name in shown[1]}

    def test_filters_combine(self, client: TestClient) -> None:
        one = create(client, account_id="a", task_type="t", queue="q")["id"]
        two = create(client, account_id="b", task_type="t")["id"]
        client.post(f"/schedules/{two}/pause")

        assert listed(client, "account_id=a") == [one]
        assert listed(client, "task_type=t") == [two, one]
        assert listed(client, "queue=q&status=active") == [one]
        assert listed(client, "status=paused&status=completed") == [two]

    def test_next_links_lead_through_all(self, client: TestClient) -> None:
        ids = [create(client, unique=False)["id"] for _ in range(5)]
        url, found = "/api/schedules?limit=2&include_total=true", []

        while url:
            response = client.get(url)
            assert response.headers["x-total-count"] == "5"
            found += [each["id"] for each in response.json()]
            url = str(response.links.get("next", {}).get("url", ""))
            assert not url or url.startswith("/api/schedules?")

        assert found == ids[::-1]

    @pytest.mark.parametrize(
        ("query", "pointer"),
        [
            ("colour=red", "/colour"),
            ("status=done", "/status/0"),
            ("limit=0", "/limit"),
            ("limit=1&limit=2", "/limit"),
            ("before_id=0", "/before_id"),
        ],
    )
    def test_a_parameter_that_is_unknown_is_named(
        self, client: TestClient, query: str, pointer: str
    ) -> None:
        assert list(faults(client.get(f"/schedules?{query}"))) == [pointer]

    def test_the_tasks_of_a_schedule_are_listed_as_all_tasks_are(
        self, client: TestClient, engine: Engine
    ) -> None:
        created = create(client, valid_time_range=None, overlap="queue")
        client.post("/tasks", json={"title": "another"})
        for _ in range(3):
            let_fall_due(engine, created["id"])
            fire(engine)
        path = f"/schedules/{created['id']}/tasks"

        response = client.get(f"{path}?limit=2&status=to_do&include_total=true")

        ids = [task["id"] for task in client.get(path).json()]
        assert len(ids) == schedule(engine, created["id"])["round_num"] == 3
        assert [task["id"] for task in response.json()] == ids[:2]
        assert response.headers["x-total-count"] == "3"
        rest = client.get(str(response.links["next"]["url"])).json()
        assert [task["id"] for task in rest] == ids[2:]
        assert client.get(f"{path}?status=done").json() == []
        assert list(faults(client.get(f"{path}?schedule_id=1"))) == ["/schedule_id"]
