"""All pages of the dashboard."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from api.paths import prefix
from api.problems import Problem
from api.ui import (
    actions,
    assets,
    batches,
    creation,
    dispatcher,
    login,
    overview,
    queues,
    schedule_verbs,
    schedules,
    task,
    tasks,
    workers,
)
from api.ui.pages import PageRoute


async def root(request: Request) -> Response:
    """Lead to the dashboard."""
    return RedirectResponse(f"{prefix(request.scope)}/ui/", 307)


async def nothing(_request: Request) -> Response:
    """Tell that there is no such page."""
    raise Problem(404, "not_found")


ROUTES: list[BaseRoute] = [
    PageRoute("/", root, roles=None),
    *overview.ROUTES,
    *dispatcher.ROUTES,
    *queues.ROUTES,
    *workers.ROUTES,
    *schedules.ROUTES,
    *schedule_verbs.ROUTES,
    *batches.ROUTES,
    *login.ROUTES,
    *tasks.ROUTES,
    *creation.ROUTES,
    *task.ROUTES,
    *actions.ROUTES,
    *assets.ROUTES,
    PageRoute("/ui/{rest:path}", nothing, roles=None),
]
