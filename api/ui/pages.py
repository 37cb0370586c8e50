"""What every page has: who may see it, its language, its looks, its headers."""

import gzip
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from api.access import CLIENTS, Access, Principal, roles_for
from api.database import Database
from api.languages import Language
from api.paths import prefix
from api.problems import Problem
from api.problems import document as problem_document
from api.sessions import cookies, require_own_page
from api.ui import shown
from api.ui.assets import ASSETS, takes_gzip
from api.ui.words import COOKIE, TAGS, language_of, words
from schema.states import Actor, State, Verb

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "vary": "cookie, accept-language, accept-encoding",
}
THEMES = ("system", "light", "dark")
SMALLEST_PACKED = 1_024
YEAR_SECONDS = 31_536_000

Page = Callable[[Request], Awaitable[Response]]


class PageRoute(Route):
    """A page that serves some roles, or everybody; problems become pages too."""

    def __init__(
        self,
        path: str,
        page: Page,
        *,
        roles: Collection[Actor] | None = CLIENTS,
        methods: Collection[str] = ("GET",),
    ) -> None:
        self.roles = roles
        super().__init__(path, self._guarded(page), methods=list(methods), name=page.__name__)

    def _guarded(self, page: Page) -> Page:
        async def serve(request: Request) -> Response:
            try:
                if self.roles is not None:
                    access: Access = request.app.state.access
                    request.scope["principal"] = await access.admit(request.scope, self.roles)
                    require_own_page(request.scope, access.page_token(request.scope))
                return await page(request)
            except Problem as problem:
                return refused(request, problem)

        return serve


def database_of(request: Request) -> Database:
    """Return the database of the application."""
    database: Database = request.app.state.database
    return database


def principal_of(request: Request) -> Principal | None:
    """Return who sees a page; None on pages for everybody."""
    principal: Principal | None = request.scope.get("principal")
    return principal


def render(
    request: Request,
    template: str,
    values: Mapping[str, Any],
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a page, or a part of one, from a template."""
    language = language_of(request)
    content = part(request, template, values).encode()
    told = {"content-language": TAGS[language], **(headers or {})}
    response = packed(request, content, status_code, told)
    if request.query_params.get("lang"):
        response.set_cookie(COOKIE, language, max_age=YEAR_SECONDS, samesite="lax")
    return response


def packed(
    request: Request,
    content: bytes,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = "text/html",
) -> Response:
    """Return content with the headers of pages, compressed where the browser takes that."""
    told = {**HEADERS, **(headers or {})}
    if len(content) >= SMALLEST_PACKED and takes_gzip(request):
        content = gzip.compress(content, 4)
        told["content-encoding"] = "gzip"
    return Response(content, status_code, told, media_type)


def part(request: Request, template: str, values: Mapping[str, Any]) -> str:
    """Return what a template makes of values."""
    language = language_of(request)
    found = _environment(language).get_template(template)
    return found.render(_around(request, language) | dict(values))


def refused(request: Request, problem: Problem) -> Response:
    """Return what a person sees of a problem: where to log in, a message, or a page."""
    told = problem_document(problem, language_of(request))
    if problem.status_code == 401:
        return _to_login(request)
    if is_part(request):
        headers = message(told["detail"], "error") | {"hx-reswap": "none"}
        return Response(None, problem.status_code, HEADERS | headers)
    return render(request, "error.html", {"problem": told}, problem.status_code)


def message(text: str, kind: str = "done", **more: Any) -> dict[str, str]:
    """Return the header that has the browser show a message; `kind`: done or error."""
    detail = {"target": "body", "text": text, "kind": kind}
    return triggers(message=detail, **more)


def triggers(**events: Any) -> dict[str, str]:
    """Return the header that has the browser dispatch events with these details."""
    return {"hx-trigger": json.dumps(events)}


def is_part(request: Request) -> bool:
    """Whether a script asks, for a part of the page that it is on."""
    return "hx-request" in request.headers


def text(request: Request, english: str, **values: Any) -> str:
    """Return a text in the language of a request."""
    return words(language_of(request)).gettext(english) % values


def may(request: Request, verb: str) -> bool:
    """Whether who sees a page may do a verb, where a task's state allows it."""
    principal = principal_of(request)
    return principal is not None and principal.may(roles_for(Verb(verb)))


def path_of(request: Request, name: str, **parameters: Any) -> str:
    """Return the address of a route of the API by its name."""
    return prefix(request.scope) + str(request.app.url_path_for(name, **parameters))


def _to_login(request: Request) -> Response:
    root = prefix(request.scope)
    here = f"{request.scope['path']}?{request.url.query}".removesuffix("?")
    address = f"{root}/ui/login?next={quote(here)}"
    if is_part(request):
        return Response(None, 401, HEADERS | {"hx-redirect": f"{root}/ui/login"})
    return RedirectResponse(address, 303, HEADERS)


def _around(request: Request, language: Language) -> dict[str, Any]:
    kept = cookies(request.scope)
    access: Access = request.app.state.access
    principal = principal_of(request)
    zone = request.app.state.zone
    return {
        "language": language,
        "language_tag": TAGS[language],
        "theme": kept["theme"] if kept.get("theme") in THEMES else "system",
        "keys": "off" if kept.get("keys") == "off" else "on",
        "root": prefix(request.scope),
        "here": request.scope["path"].removeprefix(prefix(request.scope)),
        "page_token": access.page_token(request.scope),
        "principal": principal,
        "is_operator": principal is not None and principal.role in {None, Actor.OPERATOR},
        "may": lambda verb: may(request, verb),
        "zone": zone.key,
        "now": shown.now(),
        "moment": lambda value: shown.moment(value, zone),
    }


@cache
def _environment(language: Language) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        auto_reload=False,
    )
    environment.install_gettext_translations(words(language), newstyle=True)  # type: ignore[attr-defined]  # of the extension
    environment.globals["asset"] = lambda name: ASSETS[name].path
    environment.globals["states"] = [str(state) for state in State]
    environment.filters |= {
        "exact": shown.exact,
        "duration": shown.duration,
        "in_words": shown.in_words,
        "number": shown.number,
        "document": shown.document,
    }
    return environment
