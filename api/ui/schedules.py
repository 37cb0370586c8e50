"""Schedules: when each runs, how its last runs ended, and what may be done to it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.access import OPERATORS
from api.schedule_json import summary
from api.schedule_problems import problem_of
from api.schedule_query import ScheduleQuery
from api.ui import recurrences, shown
from api.ui.forms import checked
from api.ui.pages import PageRoute, database_of, path_of, render
from schema import schedule_listing, schedule_tasks
from schema.schedule_errors import ScheduleBrokenError, ScheduleError
from schema.schedule_listing import ScheduleFilter
from schema.schedule_tasks import RunTask
from schema.schedules import ScheduleRow

PER_PAGE = 50
LAST_RUNS = 6
MORE_RUNS = 30
NEXT_RUNS = 10

Runs = Mapping[int, list[RunTask]]


async def schedules_screen(request: Request) -> Response:
    """Show schedules, newest first."""
    given = dict(request.query_params)
    given.pop("lang", None)
    before = given.get("before_id", "")
    query = checked(ScheduleQuery, {"limit": PER_PAGE} | ({"before_id": before} if before else {}))

    def look(connection: Connection) -> tuple[list[ScheduleRow], Runs]:
        rows = schedule_listing.page(
            connection, ScheduleFilter(), limit=query.limit, before_id=query.before_id
        )
        ids = [row["id"] for row in rows]
        return rows, schedule_tasks.last_tasks(connection, ids, limit=LAST_RUNS)

    rows, runs = await database_of(request).read(look)
    values = {
        "schedules": [_shown(request, row) for row in rows],
        "runs": runs,
        "before": before,
        "next": rows[-1]["id"] if len(rows) == PER_PAGE else None,
    }
    return render(request, "schedules.html", values)


async def schedule_screen(request: Request) -> Response:
    """Show one schedule: all of it, its next runs and its last tasks."""
    schedule_id = int(request.path_params["schedule_id"])

    def look(connection: Connection) -> tuple[ScheduleRow, Runs]:
        row = schedule_listing.find(connection, schedule_id)
        return row, schedule_tasks.last_tasks(connection, [schedule_id], limit=MORE_RUNS)

    try:
        row, runs = await database_of(request).read(look)
    except ScheduleError as error:
        raise problem_of(error) from None
    values = {
        "schedule": _shown(request, row),
        "runs": runs,
        "next_runs": _next_runs(row),
        "payload": None if row["payload"] is None else shown.document(row["payload"]),
        "json": path_of(request, "get_schedule", schedule_id=schedule_id),
    }
    return render(request, "schedule.html", values)


def _shown(request: Request, row: ScheduleRow) -> dict[str, Any]:
    return summary(row) | {
        "in_words": recurrences.in_words(request, row),
        "day": recurrences.day_of(row, shown.now()),
    }


def _next_runs(row: ScheduleRow) -> list[Any] | None:
    """Return when it runs next, as the database has times; None where that cannot be told."""
    try:
        runs = schedule_listing.next_runs(row, NEXT_RUNS)
    except ScheduleBrokenError:
        return None
    return [run.replace(tzinfo=None) for run in runs]


ROUTES = [
    PageRoute("/ui/schedules", schedules_screen, roles=OPERATORS),
    PageRoute("/ui/schedules/{schedule_id:number}", schedule_screen, roles=OPERATORS),
]
