"""Connections to clients that are slow, or send what is not HTTP."""

import asyncio
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.languages import DEFAULT
from api.problems import MEDIA_TYPE, Problem, document

HEAD_SECONDS = 10.0
"""How long the head of a request may take."""

HEAD_BYTES = 64 * 1024

REST_BYTES = 16 * 1024 * 1024
"""How much of a body is thrown away after its answer, so that the client comes to read that."""

MOST_PIPELINED = 100
"""Requests that may wait on a connection for the one before them."""

SILENCE_SECONDS = 30.0
"""How long a client may read nothing of an answer that waits for it."""


class Connection(HttpToolsProtocol):
    """Closes connections whose clients hold it up; the application sees to slow bodies."""

    _patience: asyncio.TimerHandle | None = None
    _silence: asyncio.TimerHandle | None = None
    _is_in_head = _is_in_body = False
    _size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._patience = self._end_in(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        for timer in (self._patience, self._silence):
            _cancel(timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a head that is not complete by then has its limits.

        So has the rest of a body that nobody reads any more: it was answered before its end.
        """
        was_in_head = self._is_in_head
        super().data_received(data)
        if self.transport.is_closing():
            return
        is_idle = self._is_idle()
        if (self._is_in_head and was_in_head) or (self._is_in_body and is_idle):
            self._size += len(data)
        if self._is_in_head and self._size > HEAD_BYTES and is_idle:
            self.send_400_response("")
        elif self._size > (REST_BYTES if self._is_in_body else HEAD_BYTES):
            self.transport.abort()  # another answer would be taken for one to the next request
        elif is_idle and self._patience is None:
            self._patience = self._end_in(HEAD_SECONDS)

    def on_message_begin(self) -> None:
        """Begin to count the bytes of a head."""
        self._is_in_head, self._is_in_body, self._size = True, False, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Let the application answer."""
        self._is_in_head, self._is_in_body, self._size = False, True, 0
        if len(self.pipeline) >= MOST_PIPELINED:
            self.transport.abort()
            return
        _cancel(self._patience)
        self._patience = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for the next request."""
        self._is_in_body, self._size = False, 0
        super().on_message_complete()

    def shutdown(self) -> None:
        """End; what is held open ends at once: there may be no end of it to wait for."""
        self.app_state["end_streams"]()
        super().shutdown()

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._silence = self._end_in(SILENCE_SECONDS)

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        _cancel(self._silence)
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's own words
        """Refuse what is not HTTP, or has too large a head."""
        problem = Problem(400, "not_http", values={"limit": HEAD_BYTES})
        body = orjson.dumps(document(problem, DEFAULT))
        head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close"
        self.transport.write(b"".join([STATUS_LINE[400], head.encode(), b"\r\n\r\n", body]))
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: the request is answered without."""

    def _is_idle(self) -> bool:
        cycle: Any = self.cycle
        return cycle is None or cycle.response_complete

    def _end_in(self, seconds: float) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, self.transport.abort)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
