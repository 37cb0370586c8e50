"""A private Redis that a test may wipe, freeze, fill and kill."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import redis

from tests.waiting import wait_for
from tools.servers import Redis


@contextmanager
def frozen(server: Redis) -> Iterator[None]:
    """Let Redis hang: it takes connections and bytes, and answers nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def connect(server: Redis) -> redis.Redis:
    """Return a client of the test's own."""
    return redis.Redis.from_url(server.url, decode_responses=True)


class Listener:
    """Hears the change notices, as a program of a user's would."""

    def __init__(self, server: Redis) -> None:
        self._client = connect(server)
        self._subscription: Any = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._subscription.psubscribe("rowlease:*:changes")
        wait_for(lambda: self._subscription.subscribed)
        self._subscription.get_message(timeout=1)  # the subscription's own
        self.messages: list[dict[str, Any]] = []

    def close(self) -> None:
        """Hear no more."""
        self._subscription.close()
        self._client.close()

    def changes(self) -> list[tuple[int, str]]:
        """Return id and status of all that was heard so far, in order."""
        while (message := self._subscription.get_message(timeout=0.01)) is not None:
            self.messages.append(orjson.loads(message["data"]))
        return [
            (change["id"], change["status"])
            for message in self.messages
            for change in message["changes"]
        ]

    def wait_for(self, *changes: tuple[int, str]) -> None:
        """Wait until all these were heard."""
        wait_for(lambda: set(changes) <= set(self.changes()))


@contextmanager
def listening(server: Redis) -> Iterator[Listener]:
    """Listen until the block ends."""
    listener = Listener(server)
    try:
        yield listener
    finally:
        listener.close()
