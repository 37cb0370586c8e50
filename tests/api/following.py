"""Following a stream of events, as a browser does."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

import orjson

from tests.api.process import ApiProcess
from tests.waiting import wait_for


@dataclass(frozen=True)
class Event:
    """An event as a browser hands it over."""

    name: str
    data: Any
    last_id: str


class Following:
    """What came of a stream so far."""

    def __init__(self, response: HTTPResponse) -> None:
        self.events: list[Event] = []
        self.last_id = ""
        self.retry = 0
        self.has_ended = False
        self._response = response

    def read(self) -> None:
        """Read until the stream ends."""
        fields: dict[str, str] = {}
        try:
            for line in self._response:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                else:
                    self._take(fields)
                    fields = {}
        except (OSError, HTTPException):
            pass
        self.has_ended = True

    def _take(self, fields: dict[str, str]) -> None:
        self.last_id = fields.get("id", self.last_id)
        self.retry = int(fields.get("retry", self.retry))
        if "data" in fields:
            data = orjson.loads(fields["data"])
            self.events.append(Event(fields["event"], data, self.last_id))

    def seen(self) -> list[tuple[Any, ...]]:
        """Return name, id and status of each event; of a snapshot all its ids."""
        return [_short(event) for event in list(self.events)]

    def known(self) -> dict[int, dict[str, Any]]:
        """Return what a client knows that does as it is told."""
        known: dict[int, dict[str, Any]] = {}
        for event in list(self.events):
            match event.name:
                case "snapshot":
                    known = {task["id"]: task for task in event.data}
                case "gone":
                    known.pop(event.data["id"], None)
                case _:
                    known[event.data["id"]] = event.data
        return known

    def versions(self, task_id: int) -> list[int]:
        """Return the versions of a task that were told, in order."""
        return [
            task["version"]
            for event in list(self.events)
            for task in (event.data if event.name == "snapshot" else [event.data])
            if task["id"] == task_id and event.name != "gone"
        ]

    def wait_for(self, *last: tuple[Any, ...]) -> None:
        """Wait until these are the last events."""
        wait_for(lambda: self.seen()[-len(last) :] == list(last))


def _short(event: Event) -> tuple[Any, ...]:
    match event.name:
        case "snapshot":
            return ("snapshot", *(task["id"] for task in event.data))
        case "gone":
            return ("gone", event.data["id"])
        case name:
            return (name, event.data["id"], event.data["status"])


@contextmanager
def following(
    process: ApiProcess, path: str, last_event_id: str | None = None
) -> Iterator[Following]:
    """Follow a stream until the block ends."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    url = process.client.base_url
    connection = HTTPConnection(url.host, url.port, timeout=30)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    assert response.headers["content-type"].startswith("text/event-stream")
    followed = Following(response)
    thread = threading.Thread(target=followed.read, daemon=True)
    thread.start()
    try:
        yield followed
    finally:
        connection.sock.shutdown(socket.SHUT_RDWR)
        thread.join()
        connection.close()
