"""Which pages of other sites may call the API from a browser: none, unless they are listed."""

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

METHODS = ("GET", "POST", "PATCH", "DELETE")
SENT = (
    "authorization",
    "cache-control",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "prefer",
    "x-request-id",
)
READ = (
    "etag",
    "idempotency-replayed",
    "link",
    "location",
    "retry-after",
    "x-cache",
    "x-request-id",
    "x-total-count",
)


def shared(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """Return an application whose answers pages of these origins may read."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=SENT,
        expose_headers=READ,
    )
