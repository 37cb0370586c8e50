"""Hearing change notices from Redis.

They make what is followed quick; nothing depends on them: what is not heard is found by a poll.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import orjson

from schema.runtime.redis_link import NonsenseError, RedisLink

PULSE_SECONDS = 1.0
"""How often a Redis that says nothing is asked whether it is there."""

SILENCE_SECONDS = 3.0
"""How long a silence means nothing."""

AGAIN_SECONDS = 1.0
CONNECT_SECONDS = 1.0

Hear = Callable[[Iterable[int]], None]
"""Takes the ids of tasks that changed."""


async def hear_changes(link: RedisLink, hear: Hear) -> None:
    """Have `hear` called with what changes, however Redis comes and goes, until cancelled."""
    while True:
        if not link.is_away:
            await _hear_out(link, hear)
        await asyncio.sleep(AGAIN_SECONDS)


async def _hear_out(link: RedisLink, hear: Hear) -> None:
    subscription = link.subscription()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await subscription.subscribe(link.channel)
        await _listen(subscription, hear)
    except Exception as error:  # noqa: BLE001  # whatever it was, there is the poll
        link.leave(error)
    finally:
        with suppress(Exception):
            await subscription.aclose()


async def _listen(subscription: Any, hear: Hear) -> None:
    heard_at = time.monotonic()
    while time.monotonic() - heard_at < SILENCE_SECONDS:
        message = await subscription.get_message(timeout=PULSE_SECONDS)
        if message is None:
            await subscription.ping()
            message = await subscription.get_message(timeout=PULSE_SECONDS)
        if message is not None:
            heard_at = time.monotonic()
            if message.get("type") == "message":
                hear(_task_ids(message["data"]))
    raise TimeoutError(f"no word from Redis within {SILENCE_SECONDS:g} s")


def _task_ids(told: bytes) -> list[int]:
    try:
        return [int(change["id"]) for change in orjson.loads(told)["changes"]]
    except (ValueError, TypeError, KeyError):
        raise NonsenseError(f"a notice is {told!r:.100}") from None
