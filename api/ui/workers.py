"""Workers: who runs tasks, whether its heart beats, and what it runs."""

from datetime import timedelta
from operator import itemgetter

from starlette.requests import Request
from starlette.responses import Response

from api.access import OPERATORS
from api.ui import shown
from api.ui.pages import PageRoute, database_of, path_of, render
from schema import workers
from schema.overview import STALE_SECONDS
from schema.workers import LIVE

MOST_ENDED = 20
"""Workers that have stopped or died: the last of them are shown."""

MOST_HELD = 5
"""Tasks of a worker that are shown; of the others, how many there are."""


async def workers_screen(request: Request) -> Response:
    """Show the workers that live, and the last of those that do not."""
    rows = await database_of(request).read(workers.listed)
    live = [row for row in rows if row["status"] in LIVE]
    ended = [row for row in rows if row["status"] not in LIVE]
    stale = shown.now() - timedelta(seconds=STALE_SECONDS)
    values = {
        "live": [row | {"is_stale": row["last_heartbeat_at"] < stale} for row in live],
        "ended": sorted(ended, key=itemgetter("ended_at"), reverse=True)[:MOST_ENDED],
        "most_held": MOST_HELD,
        "json": path_of(request, "list_workers"),
    }
    return render(request, "workers.html", values)


ROUTES = [PageRoute("/ui/workers", workers_screen, roles=OPERATORS)]
