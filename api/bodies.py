"""Request bodies: read up to a limit, parsed without guessing."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from api.caching import cached, is_cacheable
from api.conditional import conditional
from api.idempotency import repeatable
from api.problems import Problem

BODY_SECONDS = 30.0
"""How long a body may take to arrive."""


class JsonRoute(APIRoute):
    """A route whose body is JSON of at most `body_bytes`, or refused.

    What a GET answers has an ETag, and a POST may come with an Idempotency-Key.
    """

    body_bytes = 1024 * 1024
    takes_keys = True

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()
        if is_cacheable(self.endpoint):
            handle = cached(handle)
        methods = self.methods or ()
        if "GET" in methods:
            return conditional(handle)
        if "POST" in methods:
            handle = repeatable(handle) if self.takes_keys else handle
        elif self.body_field is None:
            return handle

        async def handle_json(request: Request) -> Response:
            json_request = _JsonRequest(request.scope, request.receive)
            json_request.limit = self.body_bytes
            return await handle(json_request)

        return handle_json


WIDE_BODY_BYTES = 8 * 1024 * 1024
"""For bodies that may hold many things."""


class _JsonRequest(Request):
    limit: int

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            self._body = await read_body(self, self.limit)
            if self._body:
                self._check_headers()
        return self._body

    async def json(self) -> Any:
        return parse(await self.body())

    def _check_headers(self) -> None:
        encoding = self.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            raise Problem(415, "body_encoded", values={"encoding": encoding})
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise Problem(415, "body_media_type", headers={"accept": "application/json"})


async def read_body(request: Request, limit: int) -> bytes:
    """Return a body of at most `limit` bytes; raises Problem (408, 413)."""
    if int(request.headers.get("content-length", "0")) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _gather(request, limit)
    except TimeoutError:
        raise Problem(408, "body_too_slow", headers={"connection": "close"}) from None


async def _gather(request: Request, limit: int) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def parse(body: bytes) -> Any:
    """Return the value of a JSON text; integers stay exact.

    Raises Problem (400) for what is not JSON to the letter: NaN, broken UTF-8, lone surrogates,
    an object that has a name twice, hundreds of levels.
    """
    try:
        orjson.loads(body)  # strict, but it rounds long integers and takes the last of two names
        return json.loads(body, object_pairs_hook=_object)
    except orjson.JSONDecodeError as error:
        values = {"line": error.lineno, "column": error.colno}
        raise Problem(400, "body_not_json", values=values) from None
    except RecursionError:
        raise Problem(400, "body_too_deep") from None
    except ValueError:  # Python reads integers of up to 4,300 digits
        raise Problem(400, "body_number_too_long") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise Problem(400, "body_name_repeated", values={"name": repeated[:100]})
    return result


def _too_large(limit: int) -> Problem:
    return Problem(413, "body_too_large", values={"limit": limit})
