"""The description of the API: openapi.json, and a page to read it that needs no other server."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from api.catalogue import title_of
from api.paths import prefix
from api.problems import MEDIA_TYPE
from schema.models.schedules import ScheduleStatus
from schema.states import State

FOLDER = Path(__file__).parent

DESCRIPTION = """Tasks that workers carry out, with MySQL as their queue.

Every path also works under `/api` and `/api/v1`, with and without a trailing slash. Times are
RFC 3339; those in answers are UTC. Every error is `application/problem+json`, in Chinese or
English as `Accept-Language` prefers; `code` tells programs what it is. Every answer has an
`X-Request-Id`: the one of the request, or a new one."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rowlease API</title>
<link rel="icon" href="{root}/docs/vendor/favicon-32x32.png">
<link rel="stylesheet" href="{root}/docs/vendor/swagger-ui.css">
</head>
<body>
<div id="documentation" data-url="{root}/openapi.json"></div>
<script src="{root}/docs/vendor/swagger-ui-bundle.js"></script>
<script src="{root}/docs/page/documentation.js"></script>
</body>
</html>
"""


PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)

TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "One of CLIENT_TOKENS or OPERATOR_TOKENS. Where no tokens are set, none is"
    " needed: then only direct requests from the same machine are served.",
}


class ErrorItem(BaseModel):
    """What is wrong with one field or parameter."""

    pointer: str = Field(description="Where it is, as a JSON pointer; empty: the whole body")
    detail: str


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="What happened, for programs")
    instance: str = Field(description="Path of the request")
    errors: list[ErrorItem] = Field(default=[], description="With status 422")
    current_state: State | ScheduleStatus | None = Field(
        None, description="With status 409 to a verb"
    )
    allowed_actions: list[str] = Field(default=[], description="With status 409 to a verb")
    existing_id: int | None = Field(None, description="With status 409: what is there already")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of a route's error responses."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": title_of(status, "en"), "content": content} for status in statuses
    }


def operation_id(route: APIRoute) -> str:
    """Return the name that generated clients call a route by: its function's."""
    return route.name


def describe(application: FastAPI) -> None:
    """Have the application tell its OpenAPI document with our errors instead of FastAPI's."""

    def openapi() -> dict[str, Any]:
        if application.openapi_schema is None:
            application.openapi_schema = _document(application)
        return application.openapi_schema

    application.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's manual has it


async def _page(request: Request) -> Response:
    headers = {"content-security-policy": PAGE_POLICY}
    return HTMLResponse(PAGE.format(root=prefix(request.scope)), headers=headers)


ROUTES = [
    Route("/docs", _page),
    Mount("/docs/vendor", StaticFiles(directory=FOLDER / "vendor" / "swagger-ui")),
    Mount("/docs/page", StaticFiles(directory=FOLDER / "page")),
]


def _document(application: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=application.title,
        version=application.version,
        description=DESCRIPTION,
        routes=application.routes,
    )
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = ProblemDocument.model_json_schema(
        ref_template="#/components/schemas/{model}"
    )
    schemas |= schemas["Problem"].pop("$defs")
    document["components"]["securitySchemes"] = {"token": TOKEN}
    for operation in _operations(document):
        operation["responses"] = {
            status: response
            for status, response in operation["responses"].items()
            if "HTTPValidationError" not in str(response)
        }
    return document


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]
