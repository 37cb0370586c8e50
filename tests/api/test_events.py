"""Streams of events: what they tell, and that they lose nothing and never go back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import Engine

from tests.api.following import Following, following
from tests.api.process import ApiProcess, api_process
from tests.api.requests import problem
from tests.cache_server import frozen
from tests.rows import change, claim, make, succeed
from tests.waiting import wait_for
from tools.servers import Redis


@contextmanager
def up(database_url: str, redis: Redis | None, **variables: str) -> Iterator[ApiProcess]:
    """Run the API as a process, with Redis or without."""
    if redis is not None:
        variables |= {"REDIS_URL": redis.url}
    with api_process(database_url, **variables) as process:
        process.wait_until_up("/readyz")
        yield process


@pytest.fixture(params=["redis", "polling"], scope="module")
def each(
    request: pytest.FixtureRequest, database_url: str, redis_process: Redis
) -> Iterator[ApiProcess]:
    with up(database_url, redis_process if request.param == "redis" else None) as process:
        yield process


@pytest.fixture
def running(engine: Engine, each: ApiProcess) -> ApiProcess:  # noqa: ARG001  # empties the tables
    """Both kinds of API, with no tasks in it."""
    return each


def create(process: ApiProcess, **fields: object) -> int:
    return int(process.client.post("/tasks", json={"title": "a"} | fields).json()["id"])


def act(process: ApiProcess, task_id: int, verb: str) -> None:
    assert process.client.post(f"/tasks/{task_id}/{verb}").status_code == 200


def test_a_stream_begins_with_what_there_is_and_goes_on_with_changes(running: ApiProcess) -> None:
    first = create(running)
    with following(running, "/events") as stream:
        stream.wait_for(("snapshot", first))
        assert 1_000 <= stream.retry <= 5_000
        second = create(running)
        stream.wait_for(("task", second, "to_do"))
        act(running, first, "pause")
        stream.wait_for(("task", first, "paused"))
        assert stream.known()[first] == running.client.get("/tasks").json()[1]
        assert running.client.delete(f"/tasks/{second}").status_code == 204
        stream.wait_for(("gone", second))


def test_a_task_that_leaves_the_filter_is_gone(running: ApiProcess) -> None:
    other = create(running, queue="b")
    with following(running, "/events?queue=a&status=to_do&status=paused&tag=x") as stream:
        stream.wait_for(("snapshot",))
        mine = create(running, queue="a", tags=["x"])
        stream.wait_for(("task", mine, "to_do"))
        act(running, other, "pause")
        act(running, mine, "pause")
        stream.wait_for(("task", mine, "paused"))
        act(running, mine, "start")
        stream.wait_for(("task", mine, "to_do"))
        act(running, mine, "stop")
        stream.wait_for(("gone", mine))
        assert stream.versions(other) == []


def test_one_task_can_be_followed(running: ApiProcess) -> None:
    mine, other = create(running), create(running)
    with following(running, f"/api/v1/tasks/{mine}/events/stream") as stream:
        stream.wait_for(("snapshot", mine))
        act(running, other, "pause")
        act(running, mine, "pause")
        stream.wait_for(("snapshot", mine), ("task", mine, "paused"))
        assert running.client.delete(f"/tasks/{mine}").status_code == 204
        stream.wait_for(("gone", mine))
    problem(running.client.get(f"/tasks/{mine}/events/stream"), 404, "task_not_found")
    for query in ("nonsense=1", "q=a&q=b", "limit=5", "status=lost"):
        problem(running.client.get(f"/events?{query}"), 422, "invalid")


def test_a_change_is_told_within_a_second(running: ApiProcess, engine: Engine) -> None:
    (task_id,) = make(engine)
    with following(running, "/events") as stream:
        stream.wait_for(("snapshot", task_id))
        for number in range(3):
            change(engine, task_id, f"title = '{number}'")  # by plain SQL: nobody is told of it
            began = time.monotonic()
            wait_for(partial(is_titled, stream, str(number)))
            assert time.monotonic() - began < 1.5  # the machine may be busy


def is_titled(stream: Following, title: str) -> bool:
    return [task["title"] for task in stream.known().values()] == [title]


def test_who_comes_back_is_told_what_was_missed_and_no_more(
    running: ApiProcess, engine: Engine
) -> None:
    first, second, third = (create(running, queue=name) for name in "aab")
    with following(running, "/events?queue=a") as stream:
        stream.wait_for(("snapshot", second, first))
        act(running, first, "pause")
        stream.wait_for(("task", first, "paused"))
        last_id = stream.last_id
    change(engine, second, "title = 'b'")
    act(running, third, "pause")
    with following(running, "/events?queue=a", last_id) as stream:
        stream.wait_for(("task", second, "to_do"))
        running.client.delete(f"/tasks/{first}")
        stream.wait_for(("task", second, "to_do"), ("gone", first))
        assert len(stream.events) == 2


@pytest.mark.parametrize("last_id", ["0", "abcdefabcdef-1", "nonsense", "", "-5"])
def test_who_comes_back_from_elsewhere_starts_over(running: ApiProcess, last_id: str) -> None:
    task_id = create(running)
    with following(running, "/events", last_id) as stream:
        stream.wait_for(("snapshot", task_id))
    with following(running, "/events?queue=default", stream.last_id) as other:
        other.wait_for(("snapshot", task_id))


def test_a_head_request_does_not_follow(running: ApiProcess) -> None:
    answer = running.client.head("/events")

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert running.client.get("/livez").status_code == 200


def test_streams_outlive_redis(engine: Engine, database_url: str, redis_server: Redis) -> None:
    with up(database_url, redis_server) as live, following(live, "/events") as stream:
        task_id = create(live)
        stream.wait_for(("task", task_id, "to_do"))
        redis_server.kill()
        act(live, task_id, "pause")
        stream.wait_for(("task", task_id, "paused"))
        redis_server.start()
        act(live, task_id, "resume")
        stream.wait_for(("task", task_id, "to_do"))
        with frozen(redis_server):
            (made,) = make(engine)
            stream.wait_for(("task", made, "to_do"))
        succeed(engine, *claim(engine, 2))
        wait_for(lambda: {each["status"] for each in stream.known().values()} == {"done"})
        assert stream.versions(task_id) == sorted(stream.versions(task_id))
        assert not stream.has_ended


def test_a_process_takes_so_many_streams_and_no_more(engine: Engine, database_url: str) -> None:
    (task_id,) = make(engine)
    with up(database_url, None, MAX_STREAMS="1") as live:
        with following(live, "/events") as stream:
            stream.wait_for(("snapshot", task_id))
            for path in ("/events", f"/tasks/{task_id}/events/stream", f"/tasks/{task_id}?wait=1"):
                answer = live.client.get(path)
                problem(answer, 503, "streams_full")
                assert answer.headers["retry-after"] == "5"
            assert live.client.get(f"/tasks/{task_id}").status_code == 200
        wait_for(lambda: live.client.get(f"/tasks/{task_id}?wait=0.1").status_code == 200)
