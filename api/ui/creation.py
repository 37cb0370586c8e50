"""A new task, from a form: anew, or after one that there is."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import parse
from api.catalogue import detail_of
from api.creating import Creations, Wanted
from api.faults import Fault
from api.file_problems import fault_of_missing
from api.languages import Language
from api.paths import prefix
from api.problems import Invalid, Problem
from api.problems import document as problem_document
from api.refusals import found
from api.ui import shown
from api.ui.asked import with_offset
from api.ui.forms import Form, checked, faults_of, read_form
from api.ui.pages import HEADERS, PageRoute, database_of, render
from api.ui.tasks import MOST_QUEUES, PRIORITIES
from api.ui.words import language_of
from schema import queues
from schema.fields import MAX_ID
from schema.file_references import FilesMissingError
from schema.listing import TaskRow
from schema.task_fields import TaskCreation

TEXTS = (
    "title",
    "description",
    "priority",
    "task_type",
    "queue",
    "account_id",
    "unique_key",
    "on_conflict",
)
NUMBERS = ("timeout_seconds", "retry_limit")
MOMENTS = ("due_date", "available_at")
COPIED = ("title", "description", "priority", "task_type", "queue", "account_id", *NUMBERS)
"""What a duplicate has of the task it is made after, besides payload and tags."""

Values = Mapping[str, str]


async def creation_screen(request: Request) -> Response:
    """Show the form; `?like=` a task: filled in as that one."""
    like = request.query_params.get("like", "")

    def work(connection: Connection) -> tuple[tuple[str, ...], TaskRow | None]:
        names = tuple(queues.names(connection, limit=MOST_QUEUES))
        return names, found(connection, int(like)) if _is_id(like) else None

    names, task = await database_of(request).read(work)
    return _form(request, {} if task is None else _copied(task), names)


async def create(request: Request) -> Response:
    """Create the task that a form describes, as POST /tasks does."""
    form = await read_form(request)
    values = {name: given[-1] for name, given in form.fields.items()}
    language = language_of(request)
    try:
        creation = checked(TaskCreation, _creation(request, form))
        creations: Creations = request.app.state.creations
        wanted = Wanted(creation.task(), prefix(request.scope))
        response = await _created(creations, wanted, request)
    except Invalid as problem:
        return _form(request, values, (), faults_of(problem, language), 422)
    except Problem as problem:
        told = problem_document(problem, language)
        return _form(request, values, (), {"": told["detail"]}, problem.status_code)
    number = response.headers["location"].rpartition("/")[2]
    there = f"{prefix(request.scope)}/ui/tasks/{number}"
    return Response(None, 204, HEADERS | {"hx-redirect": there})


async def _created(creations: Creations, wanted: Wanted, request: Request) -> Response:
    try:
        return await creations.create(wanted, database_of(request))
    except FilesMissingError as error:
        raise Invalid([fault_of_missing(each) for each in error.missing]) from None


def _form(
    request: Request,
    values: Values,
    names: tuple[str, ...],
    faults: Values | None = None,
    status: int = 200,
) -> Response:
    shown_values = {
        "values": values,
        "faults": faults or {},
        "queues": names,
        "priorities": PRIORITIES,
    }
    return render(request, "new_task.html", shown_values, status)


def _creation(request: Request, form: Form) -> dict[str, Any]:
    """Return the body that the form stands for; what is left empty is left out."""
    given: dict[str, Any] = {name: form.one(name) for name in TEXTS if form.one(name)}
    given |= {name: form.number(name) for name in NUMBERS if form.one(name)}
    zone = request.app.state.zone
    given |= {name: with_offset(form.one(name), zone) for name in MOMENTS if form.one(name)}
    given |= {"tags": form.several("tags"), "hold": form.one("hold") == "on"}
    if form.one("payload").strip():
        given["payload"] = _payload(form.one("payload"), language_of(request))
    return given


def _payload(text: str, language: Language) -> Any:
    try:
        return parse(text.encode())
    except Problem as problem:
        why = {"reason": detail_of(problem.code, problem.values, language)}
        raise Invalid([Fault("/payload", "document", why)]) from None


def _copied(task: TaskRow) -> Values:
    values = {name: str(task[name]) for name in COPIED if task[name] is not None}
    values["tags"] = ", ".join(task["tags"])
    if task["payload"] is not None:
        values["payload"] = shown.document(task["payload"])
    return values


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= MAX_ID


ROUTES = [
    PageRoute("/ui/tasks/new", creation_screen),
    PageRoute("/ui/tasks/new", create, methods=("POST",)),
]
