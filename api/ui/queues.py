"""Queues: how each stands, and its pause and limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.access import OPERATORS
from api.problems import Invalid, Problem
from api.queues import edit_queue, found, pause_queue, resume_queue
from api.ui.forms import Form, checked, faults_of, read_form
from api.ui.pages import HEADERS, PageRoute, database_of, message, render, text
from api.ui.words import english, language_of
from api.verbs import WithReason
from schema import queue_listing, throughput
from schema.queue_fields import QueueChanges, QueuePause
from schema.queue_listing import QueueRow

PER_PAGE = 100
LIMITS = (
    "max_concurrency",
    "rate_limit",
    "timeout_seconds",
    "retry_limit",
    "retention_days",
    "retention_failed_days",
)
"""Numbers that may be left empty: there is no limit then, or the usual default."""

PERIOD = "rate_period_seconds"
UNITS = {"minutes": 60, "hours": 3_600, "days": 86_400}

DONE = {
    "pause": english("Queue %(queue)s is paused."),
    "resume": english("Queue %(queue)s is resumed."),
    "edit": english("Queue %(queue)s is changed."),
}

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of queues, and how many attempts of each end in a minute."""

    queues: list[QueueRow]
    rates: Mapping[str, float]


async def queues_screen(request: Request) -> Response:
    """Show queues by their names."""
    after = request.query_params.get("after", "")[:100]

    def look(connection: Connection) -> Listed:
        page = queue_listing.page(connection, limit=PER_PAGE, after=after)
        return Listed(page, throughput.ended_per_minute(connection))

    listed = await database_of(request).read(look)
    values = {
        "queues": listed.queues,
        "rates": listed.rates,
        "after": after,
        "next": listed.queues[-1]["name"] if len(listed.queues) == PER_PAGE else "",
    }
    return render(request, "queues.html", values)


async def queue_form(request: Request) -> Response:
    """Ask why and how long a queue is paused, why it is resumed, or what its limits are."""
    _doing(request)
    name = request.path_params["name"]
    queue = await database_of(request).read(lambda connection: found(connection, name))
    values = {each: "" if queue[each] is None else str(queue[each]) for each in (*LIMITS, PERIOD)}
    values["description"] = queue["description"] or ""
    return _form(request, values)


async def change_queue(request: Request) -> Response:
    """Do what the form asks for."""
    name, doing = request.path_params["name"], _doing(request)
    form, database = await read_form(request), database_of(request)
    try:
        match doing:
            case "pause":
                pause = checked(QueuePause, {"reason": _said(form, "reason"), **_length(form)})
                await pause_queue(name, database, pause)
            case "resume":
                why = checked(WithReason, {"reason": _said(form, "reason")})
                await resume_queue(name, database, why)
            case _:
                await edit_queue(name, checked(QueueChanges, _changes(form)), database)
    except Invalid as problem:
        values = {field: given[-1] for field, given in form.fields.items()}
        return _form(request, values, faults_of(problem, language_of(request)), 422)
    told = message(text(request, DONE[doing], queue=name), changed={})
    return Response(None, 204, HEADERS | told)


def _form(
    request: Request, values: Values, faults: Values | None = None, status: int = 200
) -> Response:
    shown = {
        "name": request.path_params["name"],
        "doing": request.path_params["doing"],
        "values": values,
        "faults": faults or {},
        "units": UNITS,
    }
    return render(request, "queue_form.html", shown, status)


def _doing(request: Request) -> str:
    doing: str = request.path_params["doing"]
    if doing not in DONE:
        raise Problem(404, "not_found")
    return doing


def _said(form: Form, name: str) -> str | None:
    return form.one(name) or None


def _length(form: Form) -> dict[str, Any]:
    """Return for how long a queue is to be paused; without it, until somebody resumes it."""
    number = form.number("seconds")
    unit = UNITS.get(form.one("unit"), 1)
    return {"seconds": number * unit if isinstance(number, int) else number}


def _changes(form: Form) -> dict[str, Any]:
    given: dict[str, Any] = {name: form.number(name) for name in LIMITS}
    if form.one(PERIOD):
        given[PERIOD] = form.number(PERIOD)
    return given | {"description": _said(form, "description")}


_FORM = "/ui/queues/{name}/{doing}"

ROUTES = [
    PageRoute("/ui/queues", queues_screen, roles=OPERATORS),
    PageRoute(_FORM, queue_form, roles=OPERATORS),
    PageRoute(_FORM, change_queue, roles=OPERATORS, methods=("POST",)),
]
