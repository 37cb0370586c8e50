"""Conditional requests: entity tags, and what clients say about the ones they know.

A task's tag is its version and when it was changed, so that it also tells changes that were made
in SQL; its version alone decides whether a client may change it.
"""

import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any

from fastapi import Header
from starlette.requests import Request
from starlette.responses import Response

from api.etags import content_etag, task_etag
from api.problems import Problem
from schema.listing import TaskRow

Handle = Callable[[Request], Coroutine[Any, Any, Response]]

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="Only if the task still has this ETag, or one of these; by its version",
    ),
]

IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of the answer that the client has: 304 while it would be the same",
    "schema": {"type": "string"},
}
_TAG = re.compile(r'(W/)?"([^"]*)"')
_VERSION = re.compile(r"([0-9]{1,10})(-.*)?")


def versions_of(if_match: str | None) -> frozenset[int] | None:
    """Return the versions that an If-Match header allows, None when it allows any.

    The bare version in quotes is taken too; what is no tag of a task allows nothing.
    """
    if not if_match or if_match.strip() == "*":
        return None
    tags = [tag for is_weak, tag in _TAG.findall(if_match) if not is_weak]
    found = [_VERSION.fullmatch(tag) for tag in tags]
    return frozenset(int(each[1]) for each in found if each)


def stale(task: TaskRow) -> Problem:
    """Return what to raise when a task has another version than the client knows."""
    values = {"task_id": task["id"], "version": task["version"]}
    headers = {"etag": task_etag(task)}
    return Problem(412, "version_changed", values=values, headers=headers)


def conditional(handle: Handle) -> Handle:
    """Return what answers as `handle` does with a tag, and 304 to clients that have the answer."""

    async def handle_conditional(request: Request) -> Response:
        response = await handle(request)
        content = getattr(response, "body", None)
        if response.status_code != 200 or content is None:  # a stream has none
            return response
        headers = response.raw_headers
        etag = _value(headers, b"etag")
        if etag is None:
            link = _value(headers, b"link") or b""
            etag = content_etag(content, str(link, "latin-1")).encode()
            headers.append((b"etag", etag))
        known = _value(request.scope["headers"], b"if-none-match")
        if known is None or not _is_among(etag, known):
            return response
        unchanged = Response(status_code=304)
        unchanged.raw_headers = [each for each in headers if each[0] not in _OF_CONTENT]
        return unchanged

    return handle_conditional


_OF_CONTENT = frozenset({b"content-type", b"content-length"})


def _value(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    for name, value in headers:  # a quarter of what Headers takes, at every request
        if name == wanted:
            return value
    return None


def is_known(request: Request, etag: str) -> bool:
    """Whether a client has the answer with this tag already, by its If-None-Match."""
    known = _value(request.scope["headers"], b"if-none-match")
    return known is not None and _is_among(etag.encode(), known)


def _is_among(etag: bytes, known: bytes) -> bool:
    tags = [tag for _, tag in _TAG.findall(str(known, "latin-1"))]
    return known.strip() == b"*" or str(etag[1:-1], "latin-1") in tags
