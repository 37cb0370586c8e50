"""What routes tell of themselves, and a page to read it that needs no other server.

`api.description` makes the document of it.
"""

from pathlib import Path
from typing import Any

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


class ErrorItem(BaseModel):
    """What is wrong with one field or parameter."""

    pointer: str = Field(description="Where it is, as a JSON pointer; empty: the whole body")
    detail: str


class RefusedTask(BaseModel):
    """A task that was not created."""

    index: int = Field(description="Its place in `tasks`, from 0")
    code: str
    detail: str
    errors: list[ErrorItem] = Field(default=[], description="With code invalid")
    existing_id: int | None = Field(None, description="With code unique_key_taken")


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
    task_id: int | None = Field(None, description="With code schedule_runs: the task that runs")
    failed: list[RefusedTask] = Field(
        default=[], description="With status 409 to a batch: what stands in its way"
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of a route's error responses."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": title_of(status, "en"), "content": content} for status in statuses
    }


def operation_id(route: APIRoute) -> str:
    """Return the name that generated clients call a route by: its function's."""
    return route.name


async def _page(request: Request) -> Response:
    headers = {"content-security-policy": PAGE_POLICY}
    return HTMLResponse(PAGE.format(root=prefix(request.scope)), headers=headers)


ROUTES = [
    Route("/docs", _page),
    Mount("/docs/vendor", StaticFiles(directory=FOLDER / "vendor" / "swagger-ui")),
    Mount("/docs/page", StaticFiles(directory=FOLDER / "page")),
]
