"""Tasks through the client, on a real API."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Engine

from rowlease import Client, Conflict, Invalid, NotFound, Task, WaitTimeout
from tests.client.answers import problem, task
from tests.client.scripted import Answer, ScriptedServer
from tests.rows import claim, fail, make, succeed

NOON = datetime(2031, 1, 31, 12, tzinfo=timezone(timedelta(hours=8)))


def test_a_task_is_created_read_edited_and_deleted(client: Client) -> None:
    made = client.tasks.create(
        title="标题",
        priority="high",
        tags=("b", "a"),
        due_date=NOON,
        available_at="2031-01-31T08:00:00Z",
        payload={"n": [1, None, "高"]},
        timeout_seconds=5,
    )
    assert (made.title, made.priority, made.tags) == ("标题", "高", ("a", "b"))
    assert made.due_date == NOON
    assert made.payload == {"n": [1, None, "高"]}
    assert client.tasks.get(made.id) == made

    edited = client.tasks.edit(made.id, title="b", due_date=None)
    assert (edited.title, edited.due_date, edited.timeout_seconds) == ("b", None, 5)

    client.tasks.delete(made.id)
    with pytest.raises(NotFound):
        client.tasks.get(made.id)
    with pytest.raises(NotFound):
        client.tasks.delete(made.id)


def test_a_time_needs_a_zone(client: Client) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        client.tasks.create(title="a", due_date=datetime(2031, 1, 31))  # noqa: DTZ001


def test_what_the_api_does_not_take_is_refused_by_it(client: Client) -> None:
    with pytest.raises(Invalid) as caught:
        client.tasks.create(title="", colour="red")  # type: ignore[call-arg]

    assert {each.pointer for each in caught.value.errors} == {"/title", "/colour"}


def test_a_list_runs_over_all_pages(engine: Engine, client: Client) -> None:
    ids = make(engine, 7)
    make(engine, queue="other")

    found = client.tasks.list(queue="default", limit=3)

    assert next(found).id == ids[-1]
    assert [each.id for each in found] == ids[-2::-1]


def test_a_list_can_be_filtered(engine: Engine, client: Client) -> None:
    (high,) = make(engine, priority="高", queue="a")
    (low,) = make(engine, priority="低", queue="b", tags=["x"])
    make(engine, queue="b")

    assert [each.id for each in client.tasks.list(priority=["high", "low"])] == [low, high]
    assert [each.id for each in client.tasks.list(queue="b", tag=("x", "y"))] == [low]
    assert list(client.tasks.list(status="done")) == []
    created = client.tasks.get(low).created_at
    found = client.tasks.list(created_after=created, created_before=NOON, overdue=False)
    assert low in {each.id for each in found}
    assert [each.id for each in client.tasks.list(q=str(high))] == [high]


def test_of_a_link_only_the_query_is_followed(scripted: ScriptedServer) -> None:
    link = {"link": '<https://elsewhere.example/tasks?limit=1&before_id=5>; rel="next"'}
    scripted.will(Answer(200, [task()], link), Answer(200, []))

    found = list(Client(f"{scripted.url}/behind/a/proxy", "secret").tasks.list(limit=1, tag=["高"]))

    assert [each.id for each in found] == [5]
    assert [seen.path for seen in scripted.seen] == [
        "/behind/a/proxy/tasks?limit=1&tag=%E9%AB%98",
        "/behind/a/proxy/tasks?limit=1&before_id=5",
    ]


def test_pages_are_fetched_when_they_are_needed(scripted: ScriptedServer) -> None:
    scripted.will(Answer(200, [task()], {"link": '</tasks?before_id=5>; rel="next"'}))

    found = Client(scripted.url).tasks.list()
    assert scripted.seen == []

    next(found)
    assert len(scripted.seen) == 1


def test_verbs_move_a_task(client: Client) -> None:
    task_id = client.tasks.create(title="a").id

    assert client.tasks.pause(task_id, reason="for lunch").status == "paused"
    assert client.tasks.resume(task_id).status == "to_do"
    assert client.tasks.stop(task_id).status == "cancelled"
    assert client.tasks.start(task_id).status == "to_do"
    moved = client.tasks.reorder(task_id, priority_offset=-60)
    assert moved.new_next_execution_time < moved.created_at
    assert client.tasks.reorder(task_id, to="last").new_next_execution_time > moved.created_at
    events = client.tasks.events(task_id)
    assert [each.verb for each in events[:2]] == ["pause", "resume"]
    assert events[0].reason == "for lunch"


def test_a_verb_that_the_state_forbids_says_what_it_allows(client: Client) -> None:
    task_id = client.tasks.create(title="a").id

    with pytest.raises(Conflict, match="start is not allowed now") as caught:
        client.tasks.start(task_id)

    assert caught.value.code == "state_forbids"
    assert caught.value.problem["current_state"] == "PENDING"
    assert "stop" in caught.value.problem["allowed_actions"]


def test_what_happened_to_a_task_can_be_read(engine: Engine, client: Client) -> None:
    (task_id,) = make(engine, retry_limit=1)
    fail(engine, *claim(engine))
    succeed(engine, *claim(engine))

    assert client.tasks.status(task_id).state == "SUCCESS"
    failed, succeeded = client.tasks.attempts(task_id)
    assert (failed.outcome, failed.message, failed.attempt) == ("failed", "boom", 1)
    assert succeeded.outcome == "succeeded"
    timeline = client.tasks.timeline(task_id)
    assert [each.attempt for each in timeline] == [failed, succeeded]


@pytest.mark.parametrize("end", [succeed, fail])
def test_waiting_ends_when_the_task_does(
    engine: Engine, client: Client, end: Callable[..., Any]
) -> None:
    (task_id,) = make(engine, retry_limit=0)
    claimed = claim(engine)
    ended: list[Task] = []
    waiting = threading.Thread(target=lambda: ended.append(client.tasks.wait(task_id, 20)))
    waiting.start()
    end(engine, *claimed)
    waiting.join()

    assert [each.has_ended for each in ended] == [True]


def test_waiting_for_what_does_not_end_stops_in_time(engine: Engine, client: Client) -> None:
    (task_id,) = make(engine)

    with pytest.raises(
        WaitTimeout, match=f"task {task_id} .* within 0.05 s: it is to_do"
    ) as caught:
        client.tasks.wait(task_id, timeout=0.05)

    assert caught.value.task == client.tasks.get(task_id)


def test_a_server_that_answers_at_once_is_asked_after_growing_pauses(
    scripted: ScriptedServer, pauses: list[float]
) -> None:
    waiting = Answer(200, task())
    scripted.will(*[waiting] * 10, Answer(200, task(status="done")))

    assert Client(scripted.url).tasks.wait(5).status == "done"

    assert {seen.path for seen in scripted.seen} == {"/tasks/5?wait=30"}
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.1, 2.0)


def test_waiting_for_what_is_not_there_says_so(client: Client) -> None:
    with pytest.raises(NotFound):
        client.tasks.wait(1, timeout=5)


def test_a_wait_outlives_a_server_that_restarts(
    scripted: ScriptedServer, pauses: list[float]
) -> None:
    away = problem(503, "database_away", {"retry-after": "1"})
    scripted.will(Answer(200, task()), away, Answer(200, task(status="failed")))

    assert Client(scripted.url).tasks.wait(5).status == "failed"
    assert len(pauses) == 2
