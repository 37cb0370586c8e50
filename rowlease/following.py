"""Following changes as they happen: server-sent events, with one connection after the other."""

import json
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from rowlease.connection import Connection
from rowlease.errors import ApiError, ConnectionFailed, UnexpectedAnswer
from rowlease.reading import read
from rowlease.retries import pause_before_retry
from rowlease.task_records import TaskSummary

SILENCE_SECONDS = 40.0
"""How long a stream may say nothing: the server says that it is there every 15 s."""


@dataclass(frozen=True)
class Snapshot:
    """How things stand, newest first: forget what you were told before."""

    tasks: tuple[TaskSummary, ...]


@dataclass(frozen=True)
class Changed:
    """A task that is new or changed."""

    task: TaskSummary


@dataclass(frozen=True)
class Gone:
    """A task that was deleted, or does not match any more."""

    task_id: int


News = Snapshot | Changed | Gone


@dataclass
class _Reading:
    """What was read of the stream so far, over all its connections."""

    last_id: str | None = None
    retry_seconds: float = 0
    failures: int = 0
    _rest: bytes = b""
    _fields: dict[str, str] = field(default_factory=dict)

    def begin(self) -> dict[str, str]:
        """Forget what was cut off; return the headers that say where to go on."""
        self._rest, self._fields = b"", {}
        known = {} if self.last_id is None else {"last-event-id": self.last_id}
        return {"accept": "text/event-stream", **known}

    def take(self, some: bytes) -> list[News]:
        """Return the events that are complete with these bytes."""
        *lines, self._rest = (self._rest + some).split(b"\n")
        found = [self._line(line.decode().removesuffix("\r")) for line in lines]
        return [news for news in found if news is not None]

    def _line(self, line: str) -> News | None:
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        self.failures = 0
        self.last_id = fields.get("id", self.last_id)
        if "retry" in fields:
            self.retry_seconds = int(fields["retry"]) / 1000
        return _news(fields["event"], json.loads(fields["data"])) if "data" in fields else None


async def followed(
    connection: Connection[Any], path: str, parameters: Mapping[str, Any]
) -> AsyncGenerator[News]:
    """Return what a stream tells; raises what the server refuses it for, after all retries."""
    reading = _Reading()
    while True:
        headers = reading.begin()
        try:
            stream = connection.stream(path, parameters, headers, SILENCE_SECONDS)
            async with aclosing(stream):
                async for some in stream:
                    for news in reading.take(some):
                        yield news
        except (ApiError, ConnectionFailed) as error:
            reading.failures += 1
            pause = pause_before_retry(error, reading.failures)
            if pause is None or reading.failures > connection.retries:
                raise
            later = random.uniform(0, reading.retry_seconds)  # noqa: S311  # no secret
            await connection.transport.sleep(max(pause, later))
        except (ValueError, KeyError, TypeError) as error:
            raise UnexpectedAnswer(f"the stream {path} is none of Rowlease's: {error!r}") from error


def _news(name: str, told: Any) -> News | None:
    match name:
        case "snapshot":
            return Snapshot(tuple(read(TaskSummary, each) for each in told))
        case "task":
            return Changed(read(TaskSummary, told))
        case "gone":
            return Gone(int(told["id"]))
        case _:
            return None  # of a newer server
