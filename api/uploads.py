"""Files on their way in: multipart/form-data, written to the store while it arrives.

Nothing is held but the piece that came last; size and SHA-256 are counted on the way.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from api.faults import Fault
from api.problems import Invalid, Problem
from schema.file_names import file_name, media_type
from schema.files import NewFile
from schema.runtime.files import CHUNK_BYTES, Draft, FileStore

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # there is none at run time

PART = "file"

MEDIA_TYPE = "multipart/form-data"

FRAME_BYTES = 64 * 1024
"""What boundaries and heads of parts may take beside the file."""

SILENCE_SECONDS = 30.0
"""How long a client may send nothing."""

UPLOAD_SECONDS = 900.0

T = TypeVar("T")


class Form:
    """The form as far as it came: one part `file`, and no other."""

    def __init__(self, content_type: str) -> None:
        """Begin to read; raises Problem where the head of the request says that it is no form."""
        kind, options = parse_options_header(content_type)
        if kind != MEDIA_TYPE.encode():
            raise Problem(415, "body_not_multipart", headers={"accept": MEDIA_TYPE})
        self.name = ""
        self.content_type = ""
        self.is_whole = False
        self.content = bytearray()
        self._parts = 0
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        try:
            self._parser = MultipartParser(options[b"boundary"], self._callbacks())
        except (KeyError, FormParserError):
            raise _broken() from None

    def feed(self, chunk: bytes) -> None:
        """Read on; what came of the file is added to `content`."""
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise _broken() from None

    def require_whole(self) -> None:
        """Raise Problem unless the form came to its end, and had a file in it."""
        if not self.is_whole:
            raise _broken()
        if not self._parts:
            raise Invalid([Fault(f"/{PART}", "missing")])

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_data,
            "on_end": self._on_end,
        }

    def _begin(self) -> None:
        self._headers.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _on_header_end(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _on_headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        field = options.get(b"name", b"").decode("utf-8", "replace")
        if field != PART:
            raise Invalid([Fault(f"/{field}", "extra_forbidden")])
        if self._parts:
            raise Invalid([Fault(f"/{PART}", "given_twice")])
        self._parts += 1
        self.name = file_name(options.get(b"filename", b"").decode("utf-8", "replace"))
        self.content_type = media_type(self._headers.get(b"content-type", b"").decode("latin-1"))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self.content += data[start:end]

    def _on_end(self) -> None:
        self.is_whole = True


async def receive(request: Request, store: FileStore, most_bytes: int) -> tuple[Draft, NewFile]:
    """Write the file of a request to the store; the caller places the draft, and discards it.

    Raises Problem for what is no form with one file of at most `most_bytes`, and StoreError.
    """
    form = Form(request.headers.get("content-type", ""))
    if int(request.headers.get("content-length", "0")) > most_bytes + FRAME_BYTES:
        raise too_large(most_bytes)
    draft = await run_in_threadpool(store.draft)
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            await _gather(request, form, draft, most_bytes)
        form.require_whole()
        await run_in_threadpool(draft.finish)
    except BaseException as error:
        await discard(draft)
        if isinstance(error, TimeoutError):
            raise Problem(408, "body_too_slow", headers={"connection": "close"}) from None
        if isinstance(error, ClientDisconnect):
            raise _broken() from None
        raise
    return draft, NewFile(draft.sha256, draft.size_bytes, form.name, form.content_type)


async def discard(draft: Draft, *, committed: bool = False) -> None:
    """Discard a draft, also while the request is being cancelled."""
    await asyncio.shield(run_in_threadpool(draft.discard, committed=committed))


def too_large(most_bytes: int) -> Problem:
    """Return what to raise for a file of more than `most_bytes`."""
    values = {"limit": most_bytes // (1024 * 1024)}
    return Problem(413, "file_too_large", values=values, headers={"connection": "close"})


async def _gather(request: Request, form: Form, draft: Draft, most_bytes: int) -> None:
    stream = aiter(request.stream())
    framed = 0
    while (chunk := await _within_silence(anext(stream, None))) is not None:
        form.feed(chunk)
        framed += len(chunk)
        size = draft.size_bytes + len(form.content)
        if size > most_bytes or framed - size > FRAME_BYTES:
            raise too_large(most_bytes)
        if len(form.content) >= CHUNK_BYTES:
            await _write(form, draft)
    await _write(form, draft)


async def _write(form: Form, draft: Draft) -> None:
    content, form.content = form.content, bytearray()
    await run_in_threadpool(draft.write, bytes(content))


async def _within_silence(coming: Awaitable[T]) -> T:
    async with asyncio.timeout(SILENCE_SECONDS):
        return await coming


def _broken() -> Problem:
    return Problem(400, "body_no_form")


async def to_the_end(work: Callable[[], T]) -> T:
    """Return what `work` returns in a thread, which nothing but its own end ends.

    A deadline that is over by then is over for nothing: the transaction around it, whose lock
    covers what the store does, goes on.
    """
    running = asyncio.ensure_future(run_in_threadpool(work))
    while not running.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([running])
    return running.result()
