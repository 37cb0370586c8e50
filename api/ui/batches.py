"""Batches: verbs over very many tasks, how far they are, and their reports."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.access import OPERATORS
from api.batches import BatchQuery, batch_of
from api.problems import Problem
from api.ui.forms import checked
from api.ui.pages import PageRoute, database_of, path_of, render
from api.ui.words import language_of
from schema import batches
from schema.limits import MOST_AT_ONCE

PER_PAGE = 50


async def batches_screen(request: Request) -> Response:
    """Show batches, newest first."""
    before = request.query_params.get("before_id", "")
    query = checked(BatchQuery, {"limit": PER_PAGE} | ({"before_id": before} if before else {}))
    rows = await database_of(request).read(
        lambda connection: batches.page(connection, limit=query.limit, before_id=query.before_id)
    )
    values: dict[str, Any] = {
        "batches": rows,
        "most": MOST_AT_ONCE,
        "before": before,
        "next": rows[-1]["id"] if len(rows) == PER_PAGE else None,
    }
    return render(request, "batches.html", values)


async def batch_screen(request: Request) -> Response:
    """Show one batch with its report."""
    batch_id = int(request.path_params["batch_id"])
    batch = await database_of(request).read(lambda connection: batches.find(connection, batch_id))
    if batch is None:
        raise Problem(404, "batch_not_found", values={"batch_id": batch_id})
    values = {
        "batch": batch_of(batch, language_of(request)) | {"actor": batch["actor"]},
        "json": path_of(request, "get_batch", batch_id=batch_id),
    }
    return render(request, "batch.html", values)


ROUTES = [
    PageRoute("/ui/batches", batches_screen, roles=OPERATORS),
    PageRoute("/ui/batches/{batch_id:number}", batch_screen, roles=OPERATORS),
]
