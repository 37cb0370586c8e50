"""The outermost layer: every request has an id, no error gets out as it is, browsers are warned."""

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, instance, respond
from schema.runtime.logging import get_logger

log = get_logger(__name__)

HEADER = b"x-request-id"
SAFETY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
"""What every answer tells browsers."""

NOTHING_EMBEDDED = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""For answers that are no page, and so have no policy of their own."""

_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class Failures:
    """Answers 500 for what nobody foresaw, and logs it under the request's id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = message["headers"]
                message["headers"] = [*headers, (HEADER, request_id.encode()), *SAFETY]
                if not any(map(_is_policy, headers)):
                    message["headers"].append(NOTHING_EMBEDDED)
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception:
            log.exception("request failed", request_id=request_id, path=instance(scope))
            if started:
                raise
            problem = Problem(500, "internal_error", values={"request_id": request_id})
            await respond(scope, problem)(scope, receive, send_with_id)


def _is_policy(header: tuple[bytes, bytes]) -> bool:
    return header[0] == b"content-security-policy"


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == HEADER and _ACCEPTABLE.fullmatch(value):
            return str(value, "ascii")
    return secrets.token_hex(8)
