"""Answers that fit into memory and come in time."""

import asyncio
import threading
from typing import Any

import pytest

from tests.receiver import Receiver, Reply
from worker import outbound
from worker.outbound import Answer, NoAnswer


def fetched(url: str, *, seconds: float = 20, max_bytes: int = 1_000, **how: Any) -> Answer:
    async def ask() -> Answer:
        client = await outbound.client()
        request = client.build_request("POST", url, **how)
        return await outbound.fetch(request, seconds=seconds, max_bytes=max_bytes)

    return asyncio.run(ask())


def test_an_answer_is_read_as_it_was_sent(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(418, b"tea", {"content-type": "text/plain", "x": "1"})

    answer = fetched(receiver.url)

    assert (answer.status, answer.body, answer.truncated) == (418, b"tea", False)
    assert answer.headers["x"] == "1"


def test_an_answer_ends_at_the_cap(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(200, b"x" * 10_000_000)

    answer = fetched(receiver.url)

    assert (len(answer.body), answer.truncated) == (1_000, True)
    assert not fetched(receiver.url, max_bytes=10_000_000).truncated


def test_what_comes_compressed_is_not_blown_up(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(200, b"\x1f\x8b", {"content-encoding": "gzip"})

    assert fetched(receiver.url).body == b"\x1f\x8b"
    assert receiver.received[0].headers["accept-encoding"] == "identity"


def test_the_time_is_for_all_of_it(receiver: Receiver) -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(_: object) -> Reply:
        asked.set()
        over.wait(20)
        return Reply()

    receiver.answer = hang
    with pytest.raises(NoAnswer, match=r"127\.0\.0\.1 did not answer within 0\.1 s"):
        fetched(receiver.url, seconds=0.1)
    over.set()
    assert asked.is_set()


def test_a_server_that_breaks_off_gives_no_answer(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(
        200, b"short", {"content-length": "50", "connection": "close"}
    )

    with pytest.raises(NoAnswer, match=r"127\.0\.0\.1 did not answer"):
        fetched(receiver.url)


def test_a_loop_has_one_client_that_ends_with_it(receiver: Receiver) -> None:
    async def ask() -> Any:
        one, two = await asyncio.gather(outbound.client(), outbound.client())
        assert one is two
        await one.get(receiver.url)
        return one

    assert asyncio.run(ask()).is_closed
