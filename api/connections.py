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

SILENCE_SECONDS = 30.0
"""How long a client may read nothing of an answer that waits for it."""


class Connection(HttpToolsProtocol):
    """Closes connections whose clients hold it up; the application sees to slow bodies."""

    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._allow(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._relax()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a head that is not complete by then has its limits."""
        super().data_received(data)
        if self.transport.is_closing() or not self._awaits_head():
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES:
            self.send_400_response("")
        elif self._timer is None:
            self._allow(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        """Let the application answer."""
        self._relax()
        self._head_bytes = 0
        super().on_headers_complete()

    def shutdown(self) -> None:
        """End; what is held open ends at once: there may be no end of it to wait for."""
        self.app_state["end_streams"]()
        super().shutdown()

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._allow(SILENCE_SECONDS)

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        self._relax()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's own words
        """Refuse what is not HTTP, or has too large a head."""
        problem = Problem(400, "not_http", values={"limit": HEAD_BYTES})
        body = orjson.dumps(document(problem, DEFAULT))
        head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close"
        self.transport.write(b"".join([STATUS_LINE[400], head.encode(), b"\r\n\r\n", body]))
        self.transport.close()

    def _awaits_head(self) -> bool:
        cycle: Any = self.cycle
        return cycle is None or cycle.response_complete

    def _allow(self, seconds: float) -> None:
        self._relax()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _relax(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
