"""The verbs over HTTP, and the history that they leave."""

from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from schema.states import MOVES, Status, Verb, state_of
from tests.api.requests import create, faults, problem
from tests.rows import claim, fail, make, row, succeed
from tests.schema.test_verbs import HOLDS, PEOPLE, in_status

BODIES: dict[Verb, Any] = {Verb.REORDER: {"priority_offset": -5}}


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("verb", PEOPLE)
def test_a_verb_is_done_or_refused_as_the_moves_say(
    client: TestClient, engine: Engine, verb: Verb, status: Status
) -> None:
    task_id = in_status(engine, status)
    before = client.get(f"/tasks/{task_id}").json()

    response = client.post(f"/tasks/{task_id}/{verb}", json=BODIES.get(verb))

    if (verb, status) in HOLDS:
        assert (response.status_code, response.json()) == (200, before)
    elif status in MOVES[verb].sources:
        assert str(verb) in before["allowed_actions"]
        assert response.status_code == 200
        assert response.json()["version"] == before["version"] + 1
    else:
        assert str(verb) not in before["allowed_actions"]
        refused = problem(response, 409, "state_forbids")
        assert refused["current_state"] == state_of(status, None)
        assert refused["allowed_actions"] == before["allowed_actions"]


def test_a_refusal_is_told_in_chinese_too(client: TestClient, engine: Engine) -> None:
    task_id = in_status(engine, Status.DONE)

    response = client.post(f"/tasks/{task_id}/stop", headers={"accept-language": "zh"})

    assert response.json()["detail"] == f"任务 {task_id} 处于 SUCCESS 状态，不允许执行 stop。"


@pytest.mark.parametrize("verb", PEOPLE)
def test_a_verb_on_no_task_is_not_found(client: TestClient, verb: Verb) -> None:
    problem(client.post(f"/tasks/999/{verb}", json=BODIES.get(verb)), 404, "task_not_found")


def test_a_running_task_is_stopping_until_it_has_ended(client: TestClient, engine: Engine) -> None:
    (task_id,) = make(engine)
    (claimed,) = claim(engine)

    stopping = client.post(f"/tasks/{task_id}/stop").json()
    fail(engine, claimed)
    stopped = client.get(f"/tasks/{task_id}").json()

    assert (stopping["status"], stopping["stopping"]) == ("in_progress", True)
    assert stopping["allowed_actions"] == ["delete"]
    assert (stopped["status"], stopped["state"], stopped["stopping"]) == (
        "cancelled",
        "STOPPED",
        False,
    )


class TestReorder:
    def test_the_answer_says_when_the_task_is_due_now(self, client: TestClient) -> None:
        task = create(client, available_at="2030-01-01T12:00:00Z")

        moved = client.post(f"/tasks/{task['id']}/reorder", json={"priority_offset": -1800}).json()

        assert moved["new_next_execution_time"] == "2030-01-01T11:30:00Z"
        assert moved["available_at"] == "2030-01-01T11:30:00Z"

    def test_first_and_last_are_places(self, client: TestClient, engine: Engine) -> None:
        one, two, three = make(engine, 3)

        client.post(f"/tasks/{three}/reorder", json={"to": "first"})
        client.post(f"/tasks/{one}/reorder", json={"to": "last"})

        assert [task.id for task in claim(engine, 3)] == [three, two, one]

    @pytest.mark.parametrize(
        "body",
        [
            None,
            {},
            {"to": "middle"},
            {"priority_offset": 1.5},
            {"priority_offset": 10**12},
            {"to": "first", "priority_offset": 1},
        ],
    )
    def test_no_place_or_two_are_refused(self, client: TestClient, body: Any) -> None:
        task = create(client)

        faults(client.post(f"/tasks/{task['id']}/reorder", json=body))


def test_a_reason_is_kept_with_the_event(client: TestClient) -> None:
    task = create(client)

    client.post(f"/tasks/{task['id']}/pause", json={"reason": "等待审批"})
    client.post(f"/tasks/{task['id']}/resume")

    events = client.get(f"/tasks/{task['id']}/events").json()
    assert [(each["verb"], each["from_status"], each["to_status"]) for each in events] == [
        ("pause", "to_do", "paused"),
        ("resume", "paused", "to_do"),
    ]
    assert [(each["actor"], each["reason"]) for each in events] == [
        ("operator", "等待审批"),
        ("operator", None),
    ]


@pytest.mark.parametrize("body", [{"reason": 1}, {"why": "x"}, {"reason": "x" * 2_001}, []])
def test_a_body_that_is_no_reason_is_refused(client: TestClient, body: Any) -> None:
    task = create(client)

    faults(client.post(f"/tasks/{task['id']}/pause", json=body))


def test_attempts_and_events_make_a_timeline(client: TestClient, engine: Engine) -> None:
    (task_id,) = make(engine, retry_limit=0)
    fail(engine, *claim(engine))
    client.post(f"/tasks/{task_id}/start")
    succeed(engine, *claim(engine))

    attempts = client.get(f"/tasks/{task_id}/attempts").json()
    timeline = client.get(f"/tasks/{task_id}/timeline").json()

    assert [(each["fence"], each["attempt"], each["outcome"]) for each in attempts] == [
        (1, 1, "failed"),
        (2, 1, "succeeded"),
    ]
    assert attempts[0]["traceback"] == "Traceback ..."
    assert [each["at"] for each in timeline] == sorted(each["at"] for each in timeline)
    assert [each["event"]["verb"] for each in timeline if each["kind"] == "event"] == ["start"]
    assert [each["attempt"] for each in timeline if each["kind"] == "attempt"] == attempts


def test_the_status_of_a_task_is_small(client: TestClient, engine: Engine) -> None:
    (task_id,) = make(engine, description="long", payload={"a": 1})
    claim(engine)

    found = client.get(f"/tasks/{task_id}/status").json()

    assert (found["id"], found["status"], found["state"]) == (task_id, "in_progress", "RUNNING")
    assert found["allowed_actions"] == ["stop", "delete"]
    assert "description" not in found
    assert "payload" not in found


@pytest.mark.parametrize("what", ["status", "attempts", "events", "timeline"])
def test_a_deleted_task_has_no_history_to_show(
    client: TestClient, engine: Engine, what: str
) -> None:
    (task_id,) = make(engine)
    claim(engine)
    client.delete(f"/tasks/{task_id}")

    assert row(engine, task_id)
    problem(client.get(f"/tasks/{task_id}/{what}"), 404, "task_not_found")
