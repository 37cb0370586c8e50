"""Errors as RFC 9457 has them: every one, the framework's own included.

Problem                a refusal with a status, a code of the catalogue and, for 422, its faults
  HTTPException        (starlette's, which it is: the framework's own are turned into it)

Routes raise Problem; `handlers` turns it and the framework's errors into responses.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from api.catalogue import detail_of, fault_of, title_of
from api.faults import Fault, from_pydantic
from api.languages import Language, requested

MEDIA_TYPE = "application/problem+json"


class Problem(HTTPException):
    """A request that cannot be served: `values` fill the sentence of `code`.

    `members` stand beside the usual ones in the document.
    """

    def __init__(
        self,
        status: int,
        code: str,
        *,
        values: Mapping[str, Any] | None = None,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, code, headers)
        self.code = code
        self.values = values or {}
        self.faults = faults
        self.members = dict(members or {})


class Invalid(Problem):
    """A request that was understood but holds what cannot be taken."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(422, "invalid" if faults[0].pointer else "invalid_body", faults=faults)


def respond(scope: Scope, problem: Problem) -> Response:
    """Return the response for a problem, in the language that the client prefers."""
    language = requested(scope)
    return Response(
        orjson.dumps(document(problem, language) | {"instance": instance(scope)}),
        problem.status_code,
        {**(problem.headers or {}), "content-language": language, "vary": "accept-language"},
        MEDIA_TYPE,
    )


def instance(scope: Scope) -> str:
    """Return the path of the request as the client sent it."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return path.partition(b"?")[0].decode("ascii", "backslashreplace")


def document(problem: Problem, language: Language) -> dict[str, Any]:
    """Return what is told of a problem, wherever it occurred."""
    errors = [
        {"pointer": fault.pointer, "detail": fault_of(fault.code, fault.values, language)}
        for fault in problem.faults
    ]
    values = {**problem.values, **(errors[0] if errors else {})}
    told = {
        "type": "about:blank",
        "title": title_of(problem.status_code, language),
        "status": problem.status_code,
        "detail": detail_of(problem.code, values, language),
        "code": problem.code,
        **problem.members,
    }
    return told | {"errors": errors} if problem.faults else told


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    if isinstance(error, Problem):
        return respond(request.scope, error)
    if error.status_code == 405:
        return respond(request.scope, _method_not_allowed(request))
    code = "not_found" if error.status_code == 404 else "request_failed"
    return respond(request.scope, Problem(error.status_code, code, headers=error.headers))


def _method_not_allowed(request: Request) -> Problem:
    """Name the methods of all routes at this path: the framework names those of the first."""
    routes = request.app.router.routes
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    methods = {method for route in matching for method in getattr(route, "methods", None) or ()}
    allow = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    values = {"allow": allow, "method": request.method}
    return Problem(405, "method_not_allowed", values=values, headers={"allow": allow})


async def _on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    details = error.errors()
    if any(detail["loc"][0] == "path" for detail in details):
        return respond(request.scope, Problem(404, "not_found"))
    of_task = "/tasks" in request.scope["path"]
    faults = [from_pydantic(detail, of_task=of_task) for detail in details]
    return respond(request.scope, Invalid(faults))


HANDLERS: Mapping[Any, Any] = {
    HTTPException: _on_http_exception,
    RequestValidationError: _on_invalid_request,
}
"""What FastAPI is to do with each class of error."""
