"""A small HTTP server that answers, or breaks off, as a test wrote it down."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Answer:
    """One response; with `cut` the connection ends instead, after the request was read."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


CUT = Answer(cut=True)


@dataclass(frozen=True)
class Seen:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class ScriptedServer:
    """Where it is, what it will answer, and what it was asked. The last answer is repeated."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    def will(self, *answers: Answer) -> None:
        """Answer so, in this order."""
        self.answers[:] = answers


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """Run a server until the block ends."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler())
    script = ScriptedServer(f"http://127.0.0.1:{http.server_address[1]}")
    http.script = script  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def _handler() -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            script: ScriptedServer = self.server.script  # type: ignore[attr-defined]
            length = int(self.headers.get("content-length", 0))
            sent = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            is_form = headers.get("content-type", "").startswith("multipart/")
            body = sent if is_form else json.loads(sent) if sent else None
            script.seen.append(Seen(self.command, self.path, headers, body))
            answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            if not answer.cut:
                self._answer(answer)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_one  # noqa: N815  # names of the library

        def _answer(self, answer: Answer) -> None:
            is_text = isinstance(answer.body, str)
            content = answer.body.encode() if is_text else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            if answer.status != 204:
                self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    return Handler
