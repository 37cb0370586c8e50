"""The first screen: what is healthy, stuck and failed."""

from starlette.requests import Request
from starlette.responses import Response

from api.overview import look
from api.ui import charts
from api.ui.pages import PageRoute, database_of, path_of, render
from schema.overview import MOST_ERRORS
from schema.throughput import MOST_TIMED, SLICES, Period

MOST_BANNERS = 8
"""How many alarms are shown; of the others, how many there are."""


async def overview_screen(request: Request) -> Response:
    """Show how everything stands."""
    period = _period(request.query_params.get("period", ""))
    seen = await database_of(request).read(lambda connection: look(connection, period))
    standing, slices = seen.standing, seen.slices
    values = {
        "period": period,
        "periods": list(Period),
        "step": SLICES[period][0],
        "standing": standing,
        "alarms": standing.alarms[:MOST_BANNERS],
        "more_alarms": max(len(standing.alarms) - MOST_BANNERS, 0),
        "bars": list(charts.bars(slices)),
        "highest": charts.highest(slices),
        "succeeded": sum(each.succeeded for each in slices),
        "failed": sum(each.failed for each in slices),
        "is_estimate": any(each.is_estimate for each in slices),
        "durations": seen.durations,
        "errors": seen.errors,
        "most_errors": MOST_ERRORS,
        "most_timed": MOST_TIMED,
        "json": path_of(request, "get_overview"),
    }
    return render(request, "overview.html", values)


def _period(word: str) -> Period:
    return Period(word) if word in set(Period) else Period.HOUR


ROUTES = [PageRoute("/ui", overview_screen)]
