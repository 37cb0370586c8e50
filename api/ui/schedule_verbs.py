"""What operators do to a schedule, by buttons and a form."""

from starlette.requests import Request
from starlette.responses import Response

from api.access import OPERATORS
from api.problems import Invalid, Problem
from api.schedule_problems import problem_of
from api.schedule_verbs import (
    Shift,
    pause_schedule,
    reorder_schedule,
    resume_schedule,
    run_schedule,
)
from api.ui.forms import Form, checked, faults_of, read_form
from api.ui.pages import HEADERS, PageRoute, database_of, message, render, text
from api.ui.queues import UNITS
from api.ui.words import english, language_of
from schema.schedule_errors import ScheduleError

DONE = {
    "pause": english("Schedule %(id)s is paused."),
    "resume": english("Schedule %(id)s is resumed."),
    "run": english("Schedule %(id)s has made task %(task_id)s."),
    "reorder": english("The next run of schedule %(id)s is moved."),
}


async def shift_form(request: Request) -> Response:
    """Ask by how much the next run is to be moved."""
    return _form(request, {}, {})


async def do_to_schedule(request: Request) -> Response:
    """Do a verb to a schedule."""
    verb, schedule_id = request.path_params["verb"], int(request.path_params["schedule_id"])
    if verb not in DONE:
        raise Problem(404, "not_found")
    form = await read_form(request)
    values = {"id": schedule_id, "task_id": ""}
    try:
        response = await _done(request, verb, schedule_id, form)
    except ScheduleError as error:
        raise problem_of(error) from None
    except Invalid as problem:
        faults = faults_of(problem, language_of(request))
        return _form(request, {name: given[-1] for name, given in form.fields.items()}, faults, 422)
    if verb == "run":
        values["task_id"] = response.headers["location"].rpartition("/")[2]
    done = DONE[verb]
    return Response(None, 204, HEADERS | message(text(request, done, **values), changed={}))


async def _done(request: Request, verb: str, schedule_id: int, form: Form) -> Response:
    database = database_of(request)
    match verb:
        case "pause":
            return await pause_schedule(schedule_id, database)
        case "resume":
            return await resume_schedule(schedule_id, database)
        case "run":
            return await run_schedule(schedule_id, request, database)
        case _:
            shift = checked(Shift, {"priority_offset": _offset(form)})
            return await reorder_schedule(schedule_id, database, shift)


def _offset(form: Form) -> int | str | None:
    number = form.number("priority_offset")
    if not isinstance(number, int):
        return number
    return number * UNITS.get(form.one("unit"), 1) * (-1 if form.one("to") == "sooner" else 1)


def _form(
    request: Request, values: dict[str, str], faults: dict[str, str], status: int = 200
) -> Response:
    shown = {
        "schedule_id": request.path_params["schedule_id"],
        "values": values,
        "faults": faults,
        "units": UNITS,
    }
    return render(request, "shift_form.html", shown, status)


_VERB = "/ui/schedules/{schedule_id:number}/"

ROUTES = [
    PageRoute(f"{_VERB}reorder", shift_form, roles=OPERATORS),
    PageRoute(f"{_VERB}{{verb}}", do_to_schedule, roles=OPERATORS, methods=("POST",)),
]
