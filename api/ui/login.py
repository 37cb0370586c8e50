"""The way in and out, where tokens are set."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api import sessions
from api.access import Access
from api.paths import prefix
from api.problems import Problem
from api.ui.forms import read_form
from api.ui.pages import HEADERS, PageRoute, render


async def login_page(request: Request) -> Response:
    """Ask for a token."""
    return _page(request)


async def login(request: Request) -> Response:
    """Begin a session with a token."""
    sessions.require_own_origin(request.scope)
    form = await read_form(request)
    access: Access = request.app.state.access
    try:
        cookie = await access.begin_session(request.scope, form.one("token").strip())
    except Problem as problem:
        return _page(request, problem)
    response = RedirectResponse(_next(request), 303, HEADERS)
    sessions.keep(response, request.scope, cookie)
    return response


async def logout(request: Request) -> Response:
    """End the session of this browser."""
    headers = HEADERS | {"hx-redirect": f"{prefix(request.scope)}/ui/login"}
    response = Response(None, 200, headers)
    sessions.end(response, request.scope)
    return response


def _page(request: Request, problem: Problem | None = None) -> Response:
    status = 200 if problem is None else problem.status_code
    headers = {} if problem is None else problem.headers
    return render(request, "login.html", {"problem": problem}, status, headers)


def _next(request: Request) -> str:
    """Return where to go: nowhere but to pages of ours."""
    root = prefix(request.scope)
    asked = request.query_params.get("next", "")
    return asked if asked.startswith((f"{root}/ui/", f"{root}/ui?")) else f"{root}/ui/"


ROUTES = [
    PageRoute("/ui/login", login_page, roles=None),
    PageRoute("/ui/login", login, roles=None, methods=("POST",)),
    PageRoute("/ui/logout", logout, methods=("POST",)),
]
