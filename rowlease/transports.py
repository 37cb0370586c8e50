"""How requests are sent: while the caller waits, or while an event loop does other things.

All that the client does is written once, as coroutines over a Transport. Those over Sync never
suspend: one step carries them from beginning to end, and no event loop is needed.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

import httpx2

P = ParamSpec("P")
T = TypeVar("T")


class Transport(Protocol):
    """What coroutines of the client stand on."""

    @property
    def http(self) -> httpx2.Client | httpx2.AsyncClient:
        """The HTTP library's client, which builds the requests."""

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """Return the response, read to its end; raises the HTTP library's errors."""

    def received(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Response | bytes]:
        """Return the response, read if it is a refusal; then what comes of it, as it comes."""

    async def sleep(self, seconds: float) -> None:
        """Return when so much time is over."""

    def method(self, coroutine_method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Any]:
        """Return what users call for this coroutine method."""

    def iterator(self, items: AsyncIterator[T]) -> Any:
        """Return what users iterate over for these items."""


class Async:
    """For users who await."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        return await self.http.send(request)

    async def received(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Response | bytes]:
        response = await self.http.send(request, stream=True)
        try:
            if not response.is_success:
                await response.aread()
            yield response
            async for some in response.aiter_bytes():
                yield some
        finally:
            await response.aclose()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def method(
        self, coroutine_method: Callable[P, Coroutine[Any, Any, T]]
    ) -> Callable[P, Coroutine[Any, Any, T]]:
        return coroutine_method

    def iterator(self, items: AsyncIterator[T]) -> AsyncIterator[T]:
        return items


class Sync:
    """For users who wait. Its coroutines block, as they are meant to."""

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        return self.http.send(request)

    async def received(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Response | bytes]:
        response = self.http.send(request, stream=True)
        try:
            if not response.is_success:
                response.read()
            yield response
            for some in response.iter_bytes():
                yield some
        finally:
            response.close()

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251  # there is no event loop

    def method(self, coroutine_method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
        @wraps(coroutine_method)
        def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return finish(coroutine_method(*args, **kwargs))

        return method

    def iterator(self, items: AsyncIterator[T]) -> Iterator[T]:
        try:
            while True:
                try:
                    item = finish(anext(items))
                except StopAsyncIteration:
                    return
                yield item
        finally:
            if isinstance(items, AsyncGenerator):  # its connection is not to wait for the collector
                finish(items.aclose())


def finish(work: Awaitable[T]) -> T:
    """Return the result of a coroutine that never suspends."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("a coroutine of the synchronous client suspended")
