"""What buttons do: a verb to one task, or to many, with a report."""

from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.access import OPERATORS, Principal, roles_for
from api.batches import Selection, batch_of, carry_out, report_of
from api.problems import Problem
from api.problems import document as problem_document
from api.refusals import found
from api.task_query import Filters
from api.tasks import remove
from api.ui.asked import ask
from api.ui.forms import Form, checked, read_form
from api.ui.pages import HEADERS, PageRoute, database_of, message, render, text, triggers
from api.ui.words import english, language_of
from api.verbs import Move, WithReason
from api.verbs import carry_out as carry_out_one
from schema import batches
from schema.batches import Report
from schema.listing import TaskRow
from schema.shown import summary
from schema.states import Verb
from schema.verbs import Order

DONE = {
    Verb.START: english("Task %(id)s is started."),
    Verb.STOP: english("Task %(id)s is told to stop."),
    Verb.PAUSE: english("Task %(id)s is paused."),
    Verb.RESUME: english("Task %(id)s is resumed."),
    Verb.REORDER: english("Task %(id)s is moved."),
    Verb.DELETE: english("Task %(id)s is deleted."),
}
"""The verbs that have buttons, and what is said when one was done."""

ALL_DONE = {
    Verb.START: english("Started: %(count)s."),
    Verb.STOP: english("Told to stop: %(count)s."),
    Verb.PAUSE: english("Paused: %(count)s."),
    Verb.RESUME: english("Resumed: %(count)s."),
    Verb.DELETE: english("Deleted: %(count)s."),
}


async def do_one(request: Request) -> Response:
    """Do a verb to a task, and show its row as it is then."""
    verb, task_id = _verb(request), int(request.path_params["task_id"])
    order = _order(request, verb, await read_form(request))

    def work(connection: Connection) -> TaskRow | None:
        if verb is not Verb.DELETE:
            return carry_out_one(connection, order, task_id)
        remove(connection, order, task_id)
        return None

    database = database_of(request)
    try:
        task = await database.write(work)
    except Problem as problem:
        if problem.status_code == 404:
            return _gone(request, problem)
        if problem.status_code != 409:
            raise
        task = await database.read(lambda connection: found(connection, task_id))
        return _row(request, task, 409, message(_sentence(request, problem), "error", changed={}))
    told = message(text(request, DONE[verb], id=task_id), changed={})
    return Response(None, 200, HEADERS | told) if task is None else _row(request, task, 200, told)


async def do_many(request: Request) -> Response:
    """Do a verb to the tasks selected, and report."""
    verb, form = _verb(request), await read_form(request)
    if verb not in ALL_DONE:
        raise Problem(404, "not_found")
    order = _order(request, verb, form)
    selection = _selection(request, form)
    selection.require(request.scope["principal"])
    done = await database_of(request).write(
        lambda connection: carry_out(connection, order, selection)
    )
    language = language_of(request)
    if not isinstance(done, Report):
        values = {"batch": batch_of(done, language), "total": form.one("total")}
        return render(request, "_progress.html", values, 202)
    report = report_of(verb, done, language)
    kept = [each["id"] for each in report["failed"]]
    told = triggers(reported={"target": "body", "failed": kept}, changed={})
    if not kept:
        said = text(request, ALL_DONE[verb], count=report["succeeded"])
        told = message(said, reported={"target": "body", "failed": []}, changed={})
    return render(request, "_report.html", {"report": report, "verb": verb}, 200, told)


async def batch_progress(request: Request) -> Response:
    """Show how far a batch is."""
    batch_id = int(request.path_params["batch_id"])
    batch = await database_of(request).read(lambda connection: batches.find(connection, batch_id))
    if batch is None:
        raise Problem(404, "batch_not_found", values={"batch_id": batch_id})
    shown = batch_of(batch, language_of(request))
    values = {"batch": shown, "total": request.query_params.get("total", "")}
    if shown["status"] == "running":
        return render(request, "_progress.html", values)
    told = triggers(reported={"target": "body", "failed": []}, changed={})
    return render(request, "_report.html", {"report": shown, "verb": shown["verb"]}, 200, told)


def _verb(request: Request) -> Verb:
    word = request.path_params["verb"]
    if word not in DONE:
        raise Problem(404, "not_found")
    return Verb(word)


def _order(request: Request, verb: Verb, form: Form) -> Order:
    principal: Principal = request.scope["principal"]
    principal.require(roles_for(verb))
    given = {"reason": form.one("reason") or None}
    if verb is Verb.REORDER:
        move = checked(Move, given | {"to": form.one("to") or None})
        return Order(verb, principal.acting(verb), move.reason, move.place)
    return Order(verb, principal.acting(verb), checked(WithReason, given).reason)


def _selection(request: Request, form: Form) -> Selection:
    """Return the tasks whose numbers were sent, or those that the address of a list asks for."""
    if "matching" not in form.fields:
        ids = [int(each) for each in form.several("ids") if each.isascii() and each.isdigit()]
        return checked(Selection, {"ids": ids})
    pairs = parse_qsl(form.one("matching").removeprefix("?"))
    asked = ask(pairs, request.app.state.zone, language_of(request))
    if asked.query is None:
        raise Problem(400, "request_failed")
    given: dict[str, Any] = asked.query.model_dump(
        include=set(Filters.model_fields), exclude_defaults=True
    )
    return checked(Selection, {"filter": given})


def _row(request: Request, task: TaskRow, status: int, headers: dict[str, str]) -> Response:
    return render(request, "_rows.html", {"tasks": [summary(task)]}, status, headers)


def _gone(request: Request, problem: Problem) -> Response:
    headers = message(_sentence(request, problem), "error", changed={})
    return Response(None, 404, HEADERS | headers)


def _sentence(request: Request, problem: Problem) -> str:
    return str(problem_document(problem, language_of(request))["detail"])


ROUTES = [
    PageRoute("/ui/tasks/batch/{verb}", do_many, methods=("POST",)),
    PageRoute("/ui/tasks/{task_id:number}/{verb}", do_one, methods=("POST",)),
    PageRoute("/ui/batches/{batch_id:number}/progress", batch_progress, roles=OPERATORS),
]
