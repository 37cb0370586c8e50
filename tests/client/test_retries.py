"""What is sent again, when, and how often."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID

import pytest

from rowlease import (
    AsyncClient,
    Client,
    Conflict,
    ConnectionFailed,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from rowlease.errors import ApiError
from rowlease.retries import pause_before_retry
from tests.client.answers import problem, task
from tests.client.scripted import CUT, Answer, ScriptedServer
from tools.servers.ports import LOOPBACK, free_port

AWAY = problem(503, "database_away", {"retry-after": "2"})


def test_a_request_whose_connection_broke_is_sent_again(
    scripted: ScriptedServer, pauses: list[float]
) -> None:
    scripted.will(CUT, CUT, Answer(200, task()))

    assert Client(scripted.url).tasks.get(5).id == 5

    assert [seen.path for seen in scripted.seen] == ["/tasks/5"] * 3
    first, second = pauses
    assert 0.125 <= first <= 0.25 <= second <= 0.5


def test_the_async_client_sends_again_too(scripted: ScriptedServer) -> None:
    scripted.will(CUT, Answer(200, task()))

    async def get() -> int:
        async with AsyncClient(scripted.url) as client:
            return (await client.tasks.get(5)).id

    assert asyncio.run(get()) == 5
    assert len(scripted.seen) == 2


@pytest.mark.parametrize(
    ("status", "error"), [(503, Unavailable), (429, TooManyRequests), (409, Conflict)]
)
def test_what_a_server_asks_to_be_waited_is_waited_in_full(
    scripted: ScriptedServer, pauses: list[float], status: int, error: type[ApiError]
) -> None:
    refused = problem(status, "not_now", {"retry-after": "2"})
    scripted.will(refused, Answer(200, task()))

    assert Client(scripted.url).tasks.get(5).id == 5
    assert 2 <= pauses[0] <= 2.125

    scripted.will(refused)
    with pytest.raises(error) as caught:
        Client(scripted.url, retries=1).tasks.get(5)
    assert caught.value.retry_after == 2


def test_the_time_to_wait_may_be_a_time_of_day(
    scripted: ScriptedServer, pauses: list[float]
) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    scripted.will(problem(503, "database_away", {"retry-after": soon}), Answer(200, task()))

    Client(scripted.url).tasks.get(5)

    assert 25 < pauses[0] <= 30.125


@pytest.mark.parametrize(
    "answer",
    [
        problem(503, "no_word_of_a_retry"),
        problem(503, "tomorrow", {"retry-after": "86400"}),
        problem(503, "nonsense", {"retry-after": "later"}),
        problem(500, "internal_error", {"retry-after": "1"}),
        problem(409, "state_forbids"),
    ],
)
def test_what_does_not_pass_soon_is_not_sent_again(
    scripted: ScriptedServer, pauses: list[float], answer: Answer
) -> None:
    scripted.will(answer)

    with pytest.raises(ApiError):
        Client(scripted.url).tasks.get(5)

    assert (len(scripted.seen), pauses) == (1, [])


def test_retries_have_a_limit(scripted: ScriptedServer, pauses: list[float]) -> None:
    scripted.will(AWAY)
    with pytest.raises(Unavailable):
        Client(scripted.url, retries=2).tasks.get(5)
    assert (len(scripted.seen), len(pauses)) == (3, 2)

    with pytest.raises(ConnectionFailed, match=f"no answer from http://{LOOPBACK}:"):
        Client(f"http://{LOOPBACK}:{free_port()}", retries=4).tasks.get(5)
    assert len(pauses) == 6


def test_a_post_has_one_key_in_all_its_retries(
    scripted: ScriptedServer, pauses: list[float]
) -> None:
    scripted.will(CUT, AWAY, Answer(201, task()), Answer(201, task()))
    client = Client(scripted.url)

    client.tasks.create(title="one")
    client.tasks.create(title="two")

    *first, second = [seen.headers["idempotency-key"] for seen in scripted.seen]
    assert len(first) == 3
    assert len(set(first)) == 1
    assert second not in first
    assert UUID(second).version == 4
    assert [seen.body for seen in scripted.seen] == [{"title": "one"}] * 3 + [{"title": "two"}]
    assert len(pauses) == 2


def test_what_is_no_post_has_no_key(scripted: ScriptedServer) -> None:
    scripted.will(Answer(200, task()), Answer(200, task()), Answer(204))
    client = Client(scripted.url)

    client.tasks.get(5)
    client.tasks.edit(5, title="b")
    client.tasks.delete(5)

    assert not any("idempotency-key" in seen.headers for seen in scripted.seen)


@pytest.mark.usefixtures("pauses")
def test_a_deletion_whose_answer_was_lost_has_succeeded(scripted: ScriptedServer) -> None:
    missing = problem(404, "task_not_found")
    scripted.will(CUT, missing)
    Client(scripted.url).tasks.delete(5)

    scripted.will(missing)
    with pytest.raises(NotFound):
        Client(scripted.url).tasks.delete(5)


@pytest.mark.parametrize(("tries", "longest"), [(1, 0.25), (2, 0.5), (5, 4), (6, 8), (1000, 8)])
def test_pauses_double_up_to_a_limit_and_half_of_each_is_random(tries: int, longest: float) -> None:
    broken = ConnectionFailed("http://x", "broken")
    pauses = {pause_before_retry(broken, tries) or 0 for _ in range(200)}

    assert len(pauses) > 1
    assert all(longest / 2 <= pause <= longest for pause in pauses)
