"""The routes of files: up, down, and away."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Path
from pydantic import BaseModel
from sqlalchemy import Connection
from sqlalchemy.util import await_only
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api import uploads
from api.access import ClientRoute, SharedRoute
from api.conditional import is_known
from api.database import DatabaseDependency
from api.documentation import operation_id, problems
from api.paths import prefix
from api.problems import Problem
from schema import files
from schema.fields import MAX_ID
from schema.files import FileRow
from schema.runtime.files import CHUNK_BYTES, FileStore
from schema.shown import OPTIONS


class FileRoute(SharedRoute):
    """A route of files, for workers too: their handlers read and keep some.

    An Idempotency-Key is not looked at: the same bytes are the same file, however often they come.
    """

    takes_keys = False


router = APIRouter(tags=["files"], route_class=FileRoute, generate_unique_id_function=operation_id)
removal = APIRouter(
    tags=["files"], route_class=ClientRoute, generate_unique_id_function=operation_id
)
"""Routes of files that are not for workers."""

FileId = Annotated[int, Path(ge=1, le=MAX_ID, description="Number of the file")]


class StoredFile(BaseModel):
    """What is known of a file."""

    id: int
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    created_at: datetime
    last_used_at: datetime | None


_LOCATION = {"Location": {"description": "Its path", "schema": {"type": "string"}}}
NEW: dict[str, Any] = {"description": "The file", "headers": _LOCATION}
THERE = NEW | {"description": "The file of the same bytes that was there", "model": StoredFile}
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            uploads.MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": [uploads.PART],
                    "additionalProperties": False,
                    "properties": {uploads.PART: {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}
_BYTES = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The bytes; their ETag is their SHA-256", "content": _BYTES},
    206: {
        "description": "The bytes that Range asked for",
        "content": _BYTES,
        "headers": {"Content-Range": {"$ref": "#/components/headers/Content-Range"}},
    },
}
RANGE: dict[str, Any] = {
    "parameters": [
        {
            "name": "Range",
            "in": "header",
            "required": False,
            "description": "A part of the bytes, as bytes=0-99, bytes=100- or bytes=-100",
            "schema": {"type": "string"},
        }
    ]
}

_RANGE = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?")
_ACTIVE = re.compile("html|xml|script|svg", re.IGNORECASE)
"""Types that a browser might run; bytes without a type it does not."""

_SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"


@router.post(
    "/files",
    status_code=201,
    response_model=StoredFile,
    responses={200: THERE, 201: NEW, **problems(503)},
    openapi_extra=FORM,
)
async def upload_file(request: Request, database: DatabaseDependency) -> Response:
    """Store a file: the part `file` of a multipart form, and no other part.

    The same bytes are the same file, whatever its name: 200 with the one that was there. So an
    upload whose answer was lost can be sent again, and an Idempotency-Key is not needed.
    """
    store: FileStore = request.app.state.files
    draft, new = await uploads.receive(request, store, request.app.state.most_file_bytes)

    def work(connection: Connection) -> tuple[FileRow, bool]:
        file_id, is_new = files.register(connection, new)
        with files.held_for_long(connection):
            await_only(uploads.to_the_end(draft.place))
        return files.find(connection, file_id), is_new

    committed = False
    try:
        row, is_new = await database.write(work)
        committed = True
    finally:
        await uploads.discard(draft, committed=committed)
    headers = {"location": f"{prefix(request.scope)}/files/{row['id']}"}
    return _json(row, 201 if is_new else 200, headers)


@router.get(
    "/files/{file_id:number}",
    response_class=Response,
    responses=CONTENT | problems(404, 416, 503),
    openapi_extra=RANGE,
)
async def get_file(file_id: FileId, request: Request, database: DatabaseDependency) -> Response:
    """Return the bytes of a file, to be saved, never shown; Range may ask for a part of them."""
    row = await database.read(lambda connection: files.find(connection, file_id))
    headers = _headers(row)
    if is_known(request, headers["etag"]):
        return Response(status_code=304, headers=headers)
    span = _span(request, row["size_bytes"], headers["etag"])
    if span is None:
        whole = {"content-range": f"bytes */{row['size_bytes']}"}
        raise Problem(416, "range_unsatisfiable", values={"size": row["size_bytes"]}, headers=whole)
    store: FileStore = request.app.state.files
    opened = await run_in_threadpool(store.open, row["sha256"])
    headers["content-length"] = str(len(span))
    is_part = len(span) < row["size_bytes"]
    if is_part:
        headers["content-range"] = f"bytes {span.start}-{span.stop - 1}/{row['size_bytes']}"
    status = 206 if is_part else 200
    return StreamingResponse(_read(opened, span), status, headers, _safe_type(row))


@router.get("/files/{file_id:number}/info", response_model=StoredFile, responses=problems(404, 503))
async def get_file_info(file_id: FileId, database: DatabaseDependency) -> Response:
    """Return what is known of a file."""
    return _json(await database.read(lambda connection: files.find(connection, file_id)))


@removal.delete("/files/{file_id:number}", status_code=204, responses=problems(404, 409, 503))
async def delete_file(file_id: FileId, request: Request, database: DatabaseDependency) -> Response:
    """Delete a file, unless a task that has not finished refers to it: 409 with its number."""
    store: FileStore = request.app.state.files

    def work(connection: Connection) -> None:
        sha256 = files.remove(connection, file_id)
        with files.held_for_long(connection):
            await_only(uploads.to_the_end(partial(store.remove, sha256)))

    await database.write(work)
    return Response(status_code=204)


def _json(row: FileRow, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = orjson.dumps({name: row[name] for name in StoredFile.model_fields}, option=OPTIONS)
    return Response(content, status, headers, "application/json")


def _headers(row: FileRow) -> dict[str, str]:
    name: str = row["name"]
    plain = re.sub(r'[^ -~]|["\\]', "_", name)
    names = f"filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return {
        "etag": f'"{row["sha256"]}"',
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "content-disposition": f"attachment; {names}",
        "content-security-policy": _SANDBOX,
    }


def _safe_type(row: FileRow) -> str:
    content_type: str = row["content_type"]
    return "application/octet-stream" if _ACTIVE.search(content_type) else content_type


def _span(request: Request, size: int, etag: str) -> range | None:
    """Return which bytes are asked for, all where Range is none that is known; None: none there."""
    asked = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if asked is None or request.headers.get("if-range", etag) != etag or asked[0] == "bytes=-":
        return range(size)
    first, last = asked.groups()
    if first is None:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last or size) + 1, size)
    return range(start, stop) if start < stop else None


async def _read(opened: BinaryIO, span: range) -> AsyncIterator[bytes]:
    left = len(span)
    try:
        if span.start:
            await run_in_threadpool(opened.seek, span.start)
        while left and (chunk := await run_in_threadpool(opened.read, min(left, CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk
    finally:
        await run_in_threadpool(opened.close)
