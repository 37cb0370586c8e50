"""One way to the server: every request goes through here, with its retries."""

import uuid
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, BinaryIO, Generic, TypeVar

import httpx2

from rowlease import answers
from rowlease.errors import ApiError, ConnectionFailed, NotFound
from rowlease.reading import Record
from rowlease.retries import pause_before_retry
from rowlease.sending import as_json, as_query
from rowlease.transports import Transport

M = TypeVar("M", bound=Transport)
R = TypeVar("R", bound=Record)

NOTHING: Mapping[str, Any] = {}

FileToSend = tuple[str, BinaryIO, str | None]
"""The name of a file, its bytes, and its type; None: as the name says."""


class Connection(Generic[M]):
    """Sends requests over a transport.

    `timeout` is how many seconds an answer may take, `retries` how often a request is sent again.
    """

    def __init__(self, transport: M, timeout: float, retries: int) -> None:
        self.transport = transport
        self._timeout = timeout
        self.retries = retries

    async def get(
        self, kind: type[R], path: str, parameters: Mapping[str, Any] = NOTHING, held: float = 0
    ) -> R:
        """Return one record; `held` is how many seconds the server is asked to wait with it."""
        return answers.record(kind, await self.fetch(path, parameters, held))

    async def post(self, kind: type[R], path: str, body: Mapping[str, Any] | None = None) -> R:
        """Return the record that a POST answers with."""
        return answers.record(kind, await self.send("POST", path, body))

    async def upload(self, kind: type[R], path: str, file: FileToSend) -> R:
        """Return the record of a file that was sent; sent again it is the same one."""
        build = self.transport.http.build_request
        request = build("POST", path, files={"file": file}, timeout=self._timeout)
        return answers.record(kind, await self._sent(request))

    async def patch(self, kind: type[R], path: str, changes: Mapping[str, Any]) -> R:
        """Return the record as it is after the changes."""
        return answers.record(kind, await self.send("PATCH", path, changes))

    async def delete(self, path: str) -> None:
        """Delete what stands at the path."""
        await self.send("DELETE", path)

    def pages(
        self, kind: type[R], path: str, parameters: Mapping[str, Any] = NOTHING
    ) -> AsyncIterator[R]:
        """Return the records of a list, page after page."""
        return Pages(self, kind, path, parameters)

    async def all(self, kind: type[R], path: str) -> tuple[R, ...]:
        """Return the records of a list that is not long."""
        return tuple([record async for record in self.pages(kind, path)])

    async def fetch(
        self, path: str, parameters: Mapping[str, Any] = NOTHING, held: float = 0
    ) -> httpx2.Response:
        """Return the answer to a GET."""
        build = self.transport.http.build_request
        timeout = httpx2.Timeout(self._timeout, read=self._timeout + held)
        return await self._sent(build("GET", path, params=as_query(parameters), timeout=timeout))

    async def stream(
        self, path: str, parameters: Mapping[str, Any], headers: Mapping[str, str], silence: float
    ) -> AsyncGenerator[bytes]:
        """Return what comes of an answer without an end, until none did for `silence` seconds."""
        build = self.transport.http.build_request
        timeout = httpx2.Timeout(self._timeout, read=silence)
        query = as_query(parameters)
        request = build("GET", path, params=query, headers=dict(headers), timeout=timeout)
        try:
            async with aclosing(self.transport.received(request)) as received:
                async for some in received:
                    if isinstance(some, bytes):
                        yield some
                    elif not some.is_success:
                        raise answers.refusal(some)
        except httpx2.RequestError as error:
            raise ConnectionFailed(answers.address(request.url), _reason(error)) from error
        raise ConnectionFailed(answers.address(request.url), "the stream ended")

    async def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        """Return the answer to a request that changes something.

        A POST has a key that is the same in all its retries, so that it is done once.
        """
        headers = {"idempotency-key": str(uuid.uuid4())} if method == "POST" else {}
        content = None
        if body is not None:
            headers["content-type"] = "application/json"
            content = as_json(body)
        build = self.transport.http.build_request
        return await self._sent(
            build(method, path, headers=headers, content=content, timeout=self._timeout)
        )

    async def _sent(self, request: httpx2.Request) -> httpx2.Response:
        tries = 0
        while True:
            tries += 1
            try:
                return await self._sent_once(request)
            except NotFound:
                if request.method == "DELETE" and tries > 1:
                    return httpx2.Response(204)  # it was deleted, and the answer was lost
                raise
            except (ApiError, ConnectionFailed) as error:
                pause = pause_before_retry(error, tries) if tries <= self.retries else None
                if pause is None:
                    raise
            await self.transport.sleep(pause)

    async def _sent_once(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await self.transport.send(request)
        except httpx2.RequestError as error:
            raise ConnectionFailed(answers.address(request.url), _reason(error)) from error
        if response.is_success:
            return response
        raise answers.refusal(response)


class Pages(Generic[R]):
    """The records of a list; a page is asked for when its first record is."""

    def __init__(
        self,
        connection: Connection[Any],
        kind: type[R],
        path: str,
        parameters: Mapping[str, Any],
    ) -> None:
        self._connection = connection
        self._kind = kind
        self._path = path
        self._next: Mapping[str, Any] | None = parameters
        self._records: deque[R] = deque()

    def __aiter__(self) -> AsyncIterator[R]:
        return self

    async def __anext__(self) -> R:
        while not self._records:
            if self._next is None:
                raise StopAsyncIteration
            response = await self._connection.fetch(self._path, self._next)
            self._records.extend(answers.records(self._kind, response))
            self._next = answers.next_page(response)
        return self._records.popleft()


def _reason(error: httpx2.RequestError) -> str:
    usual = "timed out" if isinstance(error, httpx2.TimeoutException) else type(error).__name__
    return str(error) or usual
