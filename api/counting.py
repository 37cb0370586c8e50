"""Counts requests, under their routes' paths."""

from time import monotonic

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schema.runtime.metrics import REQUEST, REQUESTS


class Counted:
    """Counts each answer by method, route and status, and how long it took to begin.

    What no route serves is one route without a method: addresses are the clients' to invent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = monotonic()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                _count(scope, message["status"], monotonic() - began)
            await send(message)

        try:
            await self.app(scope, receive, send_counted)
        except Exception:
            _count(scope, 500, monotonic() - began)
            raise


def _count(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", None)
    REQUESTS.labels(scope["method"] if route else "", route or "none", status).inc()
    REQUEST.labels(route or "none").observe(seconds)
