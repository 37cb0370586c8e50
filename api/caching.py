"""The read cache: an answer is read once a second, however many ask for it.

Nothing depends on it: without an answer from Redis in time, the database is asked.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

from redis.asyncio import Redis
from redis.exceptions import ResponseError
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from api.gathering import Gathered
from api.kept import Answer, told, unsealed
from api.paths import prefix
from schema.runtime.notices import keys_of_task
from schema.runtime.redis_link import LIMIT_SECONDS, NonsenseError, RedisLink, milliseconds
from schema.runtime.redis_scripts import ENTRY_SECONDS, FILL

MOST_BYTES = 256 * 1024
"""Longer answers are not kept in Redis, but by the process that read them."""

MOST_LONG = 50
"""How many of them a process keeps: more are read anew."""

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Handle = Callable[[Request], Coroutine[Any, Any, Response]]
Read = Callable[[], Awaitable[Response]]

_CACHEABLE = "is_cacheable"


class Keys(NamedTuple):
    """Where Redis keeps the version of an answer, and the answer."""

    version: str
    answer: str


class Mark(NamedTuple):
    """What Redis knows when it has no answer: its time in ms, and the version, if any."""

    now: int
    version: int


class Filling(NamedTuple):
    """An answer to be kept, and Redis's time before it was read."""

    keys: Keys
    answer: Answer
    asked_at: int


@dataclass(slots=True)
class Flight:
    """A read under way, which others wait for too. It lands with an answer or with an error."""

    landed: asyncio.Future[Answer | Exception | None]
    began_at: float = field(default_factory=time.monotonic)


class Cache:
    """Answers from Redis, and reads what it has not."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._entries = Gathered(self._read_entries)
        self._marks = Gathered(self._read_marks)
        self._fillings = Gathered(self._fill)
        self._flights: dict[str, Flight] = {}
        self._keeping: set[asyncio.Task[None]] = set()

    def keys(self, request: Request) -> Keys:
        """Return where the answer to a request is kept."""
        if request.path_params.keys() == {"task_id"}:
            return Keys(*keys_of_task(self._link, request.path_params["task_id"]))
        scope = request.scope
        asked = f"{prefix(scope)} {scope['path']}?".encode() + scope["query_string"]
        name = blake2b(asked, digest_size=16).hexdigest()
        return Keys(f"{self._link.prefix}version:{name}", f"{self._link.prefix}answer:{name}")

    async def answer(self, keys: Keys, read: Read) -> Response:
        """Return the answer that is kept, or the one that `read` returns."""
        match await self._look(keys):
            case Answer() as answer:
                return answer.response(b"hit")
            case Mark() as mark:
                return await self._join(keys, mark, read) or await self._lead(keys, mark, read)
            case _:
                return told(await read(), b"bypass")

    def close(self) -> None:
        """Keep nothing more."""
        for task in self._keeping:
            task.cancel()

    async def _look(self, keys: Keys) -> Answer | Mark | None:
        """Ask twice at most, and a slow Redis once: less than 50 ms in all."""
        began = time.monotonic()
        entry = await self._entries.ask(keys.answer)
        if entry is None:
            return None
        found = unsealed(keys.answer, entry)
        if found is None and time.monotonic() - began < LIMIT_SECONDS:
            return await self._marks.ask(keys.version)
        return found

    async def _join(self, keys: Keys, mark: Mark, read: Read) -> Response | None:
        """Return what a read under way brings; None where there is none, or it is too old."""
        flight = self._flights.get(keys.answer)
        if flight is None or time.monotonic() - flight.began_at > ENTRY_SECONDS:
            return None
        match await asyncio.shield(flight.landed):
            case Answer() as answer if answer.version >= mark.version:
                return answer.response(b"miss")
            case Exception() as error:
                raise error
            case None:
                return told(await read(), b"miss")
        return None

    async def _lead(self, keys: Keys, mark: Mark, read: Read) -> Response:
        flight = Flight(asyncio.get_running_loop().create_future())
        self._flights[keys.answer] = flight
        outcome: Answer | Exception | None = None
        try:
            response = await read()
            if response.status_code == 200:
                version = getattr(response, "version", mark.now)
                outcome = Answer(response.raw_headers, bytes(response.body), version)
        except Exception as error:
            outcome = error
            raise
        finally:
            flight.landed.set_result(outcome)
            if isinstance(outcome, Answer):
                self._keep(flight, Filling(keys, outcome, mark.now))
            else:
                self._forget(keys, flight)
        return outcome.response(b"miss") if isinstance(outcome, Answer) else told(response, b"miss")

    def _keep(self, flight: Flight, filling: Filling) -> None:
        """Keep an answer; until Redis has it, the flight can still be joined."""

        async def keep() -> None:
            if len(filling.answer.body) <= MOST_BYTES:
                await self._fillings.ask(filling)
            elif len(self._flights) <= MOST_LONG:
                await asyncio.sleep(flight.began_at + ENTRY_SECONDS - time.monotonic())
            self._forget(filling.keys, flight)

        task = asyncio.create_task(keep())
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    def _forget(self, keys: Keys, flight: Flight) -> None:
        if self._flights.get(keys.answer) is flight:
            del self._flights[keys.answer]

    async def _read_entries(self, names: Sequence[str]) -> Sequence[bytes] | None:
        async def read(client: Redis) -> Sequence[bytes]:
            return [entry or b"" for entry in _values(await client.mget(names), len(names))]

        return await self._link.ask("reading", read)

    async def _read_marks(self, names: Sequence[str]) -> Sequence[Mark] | None:
        async def read(client: Redis) -> Sequence[Mark]:
            pipeline = client.pipeline(transaction=False)
            pipeline.execute_command("TIME")
            pipeline.mget(names)
            time_, versions = await pipeline.execute()
            now = milliseconds(time_)
            return [Mark(now, _number(each)) for each in _values(versions, len(names))]

        return await self._link.ask("reading", read)

    async def _fill(self, fillings: Sequence[Filling]) -> Sequence[bool] | None:
        async def fill(client: Redis) -> Sequence[bool]:
            pipeline = client.pipeline(transaction=False)
            for keys, answer, asked_at in fillings:
                sealed = answer.sealed(keys.answer)
                pipeline.eval(FILL, 2, *keys, answer.version, asked_at, sealed)
            taken = await pipeline.execute(raise_on_error=False)
            for each in taken:
                if isinstance(each, ResponseError):
                    raise each
            return [each == 1 for each in taken]

        return await self._link.ask("filling the cache", fill)


def cacheable(endpoint: Endpoint) -> Endpoint:
    """Mark the function of a route whose answer may be a second old."""
    setattr(endpoint, _CACHEABLE, True)
    return endpoint


def is_cacheable(endpoint: Callable[..., Any]) -> bool:
    """Whether the answers of a route may be kept."""
    return getattr(endpoint, _CACHEABLE, False)


def cached(handle: Handle) -> Handle:
    """Return what answers as `handle` does, or did less than a second ago."""

    async def handle_cached(request: Request) -> Response:
        cache: Cache | None = request.app.state.cache
        if cache is None or not _may_be_old(request.scope):
            return told(await handle(request), b"bypass")
        return await cache.answer(cache.keys(request), lambda: handle(request))

    return handle_cached


def _may_be_old(scope: Scope) -> bool:
    """Whether a client takes an answer that is kept, and does not ask to wait for another."""
    for name, value in scope["headers"]:
        if name == b"prefer" or (name == b"cache-control" and b"no-" in value.lower()):
            return False
    query: bytes = scope["query_string"]
    # Names may be written with %: they are read where there is one, or the word.
    return not (b"%" in query or b"wait" in query) or "wait" not in QueryParams(query)


def _values(answer: Any, count: int) -> Sequence[bytes | None]:
    if not isinstance(answer, list) or len(answer) != count:
        raise NonsenseError(f"MGET is {answer!r:.100}")
    if not all(each is None or isinstance(each, bytes) for each in answer):
        raise NonsenseError("MGET has other values than bytes")
    return answer


def _number(version: bytes | None) -> int:
    try:
        return int(version or -1)
    except ValueError:
        return -1
