"""Sessions of browsers: a cookie that stands for the token it was begun with, for some hours.

A cookie is sent by the browser, whoever made it send the request. So a request that changes
something must show besides that a page of ours sent it: by its origin, and by a word of the
session that only our pages know.
"""

import hashlib
import hmac
import secrets
import time
from typing import Literal
from urllib.parse import urlsplit

from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import Scope

from api.problems import Problem

COOKIE = "rowlease_session"
SESSION_SECONDS = 12 * 3_600

PAGE_HEADER = "x-page-token"
"""Where pages send the word of their session. No other site's page may send this header."""

NO_SESSION = b""
"""The key of pages on a machine without tokens, where nobody has a session."""


def key_of(token: str) -> bytes:
    """Return what signs the sessions of a token: they end when the token is taken away."""
    return hmac.digest(token.encode(), b"session", hashlib.sha256)


def seal(key: bytes, principal_id: str) -> str:
    """Return the cookie of a new session."""
    content = f"{principal_id}.{int(time.time()) + SESSION_SECONDS}.{secrets.token_hex(8)}"
    return f"{content}.{_sign(key, content)}"


def is_live(key: bytes, cookie: str) -> bool:
    """Whether a cookie was sealed with this key, and its time is not over."""
    content, _, signature = cookie.rpartition(".")
    ends_at = content.split(".")[1] if content.count(".") == 2 else ""
    return (
        hmac.compare_digest(_sign(key, content).encode(), signature.encode())
        and ends_at.isdigit()
        and time.time() < int(ends_at)
    )


def page_token(key: bytes, cookie: str) -> str:
    """Return the word that pages of a session send back."""
    return _sign(key, f"page {cookie}")


def cookie_of(scope: Scope) -> str:
    """Return the session's cookie that came with a request, or nothing."""
    return cookies(scope).get(COOKIE, "")


def cookies(scope: Scope) -> dict[str, str]:
    """Return the cookies that came with a request."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name == b"cookie":  # read as browsers do: those of others may be odd
            found |= cookie_parser(value.decode("latin-1"))
    return found


def keep(response: Response, scope: Scope, cookie: str) -> None:
    """Have the browser keep a session."""
    _set(response, scope, cookie, SESSION_SECONDS)


def end(response: Response, scope: Scope) -> None:
    """Have the browser forget its session."""
    _set(response, scope, "", 0)


def require_own_origin(scope: Scope) -> None:
    """Raise Problem (403) where a request was not sent by a page of this address."""
    headers = dict(scope["headers"])
    site = headers.get(b"sec-fetch-site")
    if site is None:
        origin = urlsplit(headers.get(b"origin", b"").decode("latin-1")).netloc
        is_own = bool(origin) and origin == headers.get(b"host", b"").decode("latin-1")
    else:
        is_own = site == b"same-origin"
    if not is_own:
        raise Problem(403, "page_foreign")


def require_own_page(scope: Scope, expected: str) -> None:
    """Raise Problem (403) where what changes something was not sent by a page of this session."""
    if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
        return
    require_own_origin(scope)
    sent = dict(scope["headers"]).get(PAGE_HEADER.encode(), b"")
    if not hmac.compare_digest(sent, expected.encode()):
        raise Problem(403, "page_foreign")


def _sign(key: bytes, content: str) -> str:
    return hmac.digest(key, content.encode(), hashlib.sha256).hex()


def _set(response: Response, scope: Scope, value: str, seconds: int) -> None:
    strict: Literal["strict"] = "strict"
    response.set_cookie(
        COOKIE,
        value,
        max_age=seconds,
        httponly=True,
        samesite=strict,
        secure=scope["scheme"] == "https",
    )
