"""One address for a route, however it is written: `/tasks`, `/api/tasks/`, `/api/v1/tasks`."""

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

PREFIXES = ("/api/v1", "/api")


class OnePath:
    """Lets a request through as if it had come without prefix and trailing slash.

    The prefix becomes the scope's `root_path`, so that links can keep it (`prefix`).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            scope = _normalised(scope)
        await self.app(scope, receive, send)


def prefix(scope: Scope) -> str:
    """Return what the client's path had in front of the route's: /api/v1, /api or nothing."""
    root_path: str = scope.get("root_path", "")
    return root_path


def _normalised(scope: Scope) -> Scope:
    root: str = scope.get("root_path", "")
    path: str = scope["path"].removeprefix(root)
    mounted = next((each for each in PREFIXES if f"{path}/".startswith(f"{each}/")), "")
    rest = path.removeprefix(mounted).removesuffix("/") or "/"
    # uvicorn looks at its own scope when it leaves out the body that answers a HEAD.
    is_head = scope["method"] == "HEAD"
    method = "GET" if is_head else scope["method"]
    path = f"{root}{mounted}{rest}"
    changed = {"method": method, "root_path": f"{root}{mounted}", "path": path}
    return {**scope, **changed, "is_head": is_head}


class _NumberConvertor(Convertor[int]):
    """A number of a row in a path: no sign, no leading zero, at most 19 digits."""

    regex = "[1-9][0-9]{0,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("number", _NumberConvertor())
