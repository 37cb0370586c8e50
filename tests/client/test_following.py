"""Following changes through the client."""

import asyncio
import itertools
import json
from contextlib import aclosing
from typing import assert_type

import pytest
from sqlalchemy import Engine

from rowlease import (
    AsyncClient,
    Changed,
    Client,
    ConnectionFailed,
    Gone,
    Invalid,
    News,
    NotFound,
    Snapshot,
    UnexpectedAnswer,
)
from tests.client.answers import problem, task
from tests.client.scripted import CUT, Answer, ScriptedServer
from tests.rows import make

STREAM = {"content-type": "text/event-stream"}


def stream(text: str) -> Answer:
    return Answer(200, text, STREAM)


def told(news: News) -> tuple[object, ...]:
    match news:
        case Snapshot(tasks):
            return ("snapshot", *(each.id for each in tasks))
        case Changed(changed):
            return ("changed", changed.id, changed.status)
        case Gone(task_id):
            return ("gone", task_id)


def test_changes_are_told_as_they_happen(client: Client, engine: Engine) -> None:
    first, _ = make(engine, queue="a")[0], make(engine, queue="b")
    following = client.tasks.follow(queue=["a"], status=("to_do", "paused"))

    assert told(assert_type(next(following), News)) == ("snapshot", first)
    second = client.tasks.create(title="高\u2028", queue="a").id
    news = next(following)
    assert told(news) == ("changed", second, "to_do")
    assert isinstance(news, Changed)
    assert news.task.title == "高\u2028"
    client.tasks.pause(first)
    assert told(next(following)) == ("changed", first, "paused")
    client.tasks.delete(first)
    assert told(next(following)) == ("gone", first)


def test_one_task_is_followed_without_blocking(url: str, engine: Engine) -> None:
    (task_id,) = make(engine)

    async def follow() -> list[tuple[object, ...]]:
        seen = []
        async with AsyncClient(url) as client, aclosing(client.tasks.follow_one(task_id)) as news:  # type: ignore[type-var]
            async for each in news:
                seen.append(told(each))
                if len(seen) == 1:
                    await client.tasks.pause(task_id)
                elif len(seen) == 2:
                    await client.tasks.delete(task_id)
                else:
                    return seen
        return seen

    assert asyncio.run(follow()) == [
        ("snapshot", task_id),
        ("changed", task_id, "paused"),
        ("gone", task_id),
    ]


def test_what_the_api_refuses_is_raised(client: Client) -> None:
    with pytest.raises(NotFound):
        next(client.tasks.follow_one(5))
    with pytest.raises(Invalid):
        next(client.tasks.follow(colour="red"))  # type: ignore[call-arg]


def test_a_stream_that_ends_is_taken_up_where_it_was(
    scripted: ScriptedServer, pauses: list[float]
) -> None:
    whole = 'retry: 2000\n\nid: x-1\nevent: gone\ndata: {"id": 1}\n\n: keep-alive\n\n'
    cut_off = 'id: x-2\nevent: gone\ndata: {"id": 2}\n\nid: x-3\nevent: gone\ndata: {"i'
    later = 'event: new\ndata: {}\n\nid: x-3\r\nevent: gone\r\ndata: {"id": 3}\r\n\r\n'
    busy = problem(503, "streams_full", {"retry-after": "5"})
    scripted.will(stream(whole), CUT, busy, stream(cut_off), stream(later), CUT)

    with Client(scripted.url) as client:
        news = list(itertools.islice(client.tasks.follow(tag="a"), 3))

    assert news == [Gone(1), Gone(2), Gone(3)]
    assert {each.path for each in scripted.seen} == {"/events?tag=a"}
    known = [each.headers.get("last-event-id") for each in scripted.seen]
    assert known == [None, "x-1", "x-1", "x-1", "x-2"]
    assert len(pauses) == 4
    assert pauses[2] >= 5


def test_a_server_that_stays_away_is_given_up(
    scripted: ScriptedServer, pauses: list[float]
) -> None:
    scripted.will(stream(f"event: task\ndata: {json.dumps(task())}\n\n"), CUT)
    with Client(scripted.url, retries=2) as client:
        following = client.tasks.follow()
        assert told(next(following)) == ("changed", 5, "to_do")
        with pytest.raises(ConnectionFailed):
            next(following)
    assert len(scripted.seen) == 3
    assert len(pauses) == 2


@pytest.mark.parametrize("data", ["{}", "[1]", "nonsense"])
def test_what_is_none_of_rowleases_is_no_news(scripted: ScriptedServer, data: str) -> None:
    scripted.will(stream(f"event: task\ndata: {data}\n\n"))
    with Client(scripted.url) as client, pytest.raises(UnexpectedAnswer):
        next(client.tasks.follow())
