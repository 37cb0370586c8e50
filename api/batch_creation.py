"""The route that creates many tasks at once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.access import ClientRoute
from api.bodies import WIDE_BODY_BYTES
from api.callbacks import CallbackRules, rules_of
from api.database import DatabaseDependency
from api.documentation import RefusedTask, operation_id, problems
from api.faults import Fault, of_task
from api.file_problems import fault_of_missing
from api.languages import Language, requested
from api.problems import Invalid, Problem, document
from api.refusals import key_taken, require_room
from api.task_json import TasksResponse, TaskSummary
from schema import listing, tasks
from schema.file_references import FilesMissingError
from schema.limits import MOST_AT_ONCE
from schema.listing import TaskRow
from schema.runtime import tracing
from schema.shown import OPTIONS, summary
from schema.task_fields import TaskCreation


class WideRoute(ClientRoute):
    """A route whose body holds many tasks."""

    body_bytes = WIDE_BODY_BYTES


router = APIRouter(
    tags=["batches"], route_class=WideRoute, generate_unique_id_function=operation_id
)

TASK = {"items": {"$ref": "#/components/schemas/TaskCreation"}}


class TaskBatch(BaseModel):
    """Tasks to be created: all or none, or with `partial` those that can be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    # Each is looked at by itself, so that a fault can be told of one and the others created.
    tasks: Annotated[
        list[Any], Field(min_length=1, max_length=MOST_AT_ONCE, json_schema_extra=dict(TASK))
    ]
    partial: bool = False


class PartialCreation(BaseModel):
    """What was created, in the order asked, and what was not."""

    created: list[TaskSummary]
    failed: list[RefusedTask]


CREATED: dict[str, Any] = {
    "description": "The tasks in the order asked; with `partial`, these and those that were refused"
}

Checked = tuple[int, TaskCreation]
Unfit = tuple[int, Invalid]
Refused = tuple[int, Problem]
"""The place of a task in the request, and why it was not created."""


@router.post(
    "/tasks/batch",
    status_code=201,
    response_model=list[TaskSummary] | PartialCreation,
    responses={201: CREATED, **problems(400, 409, 413, 415, 422, 503)},
)
async def create_tasks(
    batch: TaskBatch, request: Request, database: DatabaseDependency
) -> Response:
    """Create up to 1,000 tasks in one transaction."""
    checked = _checked(batch.tasks, rules_of(request))
    if not batch.partial:
        _require_all(checked)
    good = [(index, each) for index, each in enumerate(checked) if isinstance(each, TaskCreation)]
    invalid = [(index, each) for index, each in enumerate(checked) if isinstance(each, Invalid)]
    language = requested(request.scope)
    trace = tracing.given(request.headers.get("traceparent"))
    most: int | None = request.app.state.max_queue_depth

    def work(connection: Connection) -> Response:
        require_room(connection, most, [creation.queue for _, creation in good])
        created, taken, unfit = _place_with_files(connection, good, trace)
        if unfit and not batch.partial:
            raise _all_faults(unfit)
        if taken and not batch.partial:
            raise _conflict(taken, language)
        if not batch.partial:
            return TasksResponse(created, 201)
        return _partly(created, [*invalid, *unfit, *taken], language)

    return await database.write(work)


def _partly(created: Sequence[TaskRow], refused: Sequence[Refused], language: Language) -> Response:
    content = {
        "created": [summary(task) for task in created],
        "failed": [_told(each, language) for each in sorted(refused, key=lambda each: each[0])],
    }
    return Response(orjson.dumps(content, option=OPTIONS), 201, media_type="application/json")


def _checked(items: Sequence[Any], rules: CallbackRules) -> list[TaskCreation | Invalid]:
    """Return each task, or what is wrong with it."""
    checked: list[TaskCreation | Invalid] = []
    keys: set[str | None] = set()
    for item in items:
        each = _check(item, rules)
        if isinstance(each, TaskCreation) and each.unique_key is not None:
            if each.on_conflict == "reject" and each.unique_key in keys:
                each = Invalid([Fault("/unique_key", "key_repeated")])
            else:
                keys.add(each.unique_key)
        checked.append(each)
    return checked


def _check(item: Any, rules: CallbackRules) -> TaskCreation | Invalid:
    try:
        creation = TaskCreation.model_validate(item)
    except ValidationError as error:
        return Invalid(of_task(error))
    refused = rules.fault(creation.callback_url)
    return creation if refused is None else Invalid([refused])


def _require_all(checked: Sequence[TaskCreation | Invalid]) -> None:
    refused = [(index, each) for index, each in enumerate(checked) if isinstance(each, Invalid)]
    if refused:
        raise _all_faults(refused)


def _all_faults(refused: Sequence[tuple[int, Invalid]]) -> Invalid:
    return Invalid(
        [
            Fault(f"/tasks/{index}{fault.pointer}", fault.code, fault.values)
            for index, each in refused
            for fault in each.faults
        ]
    )


def _place_with_files(
    connection: Connection, good: Sequence[Checked], trace: str | None
) -> tuple[list[TaskRow], list[Refused], list[Unfit]]:
    """Create what can be; return also the tasks that name files that are not there."""
    try:
        return *_place(connection, good, trace), []
    except FilesMissingError as error:
        unfit = _unfit(error, good)
    places = {index for index, _ in unfit}
    others = [(index, creation) for index, creation in good if index not in places]
    return *_place(connection, others, trace), unfit


def _unfit(error: FilesMissingError, good: Sequence[Checked]) -> list[Unfit]:
    faults: dict[int, list[Fault]] = {}
    for each in error.missing:
        faults.setdefault(good[each.at][0], []).append(fault_of_missing(each))
    return [(index, Invalid(found)) for index, found in faults.items()]


def _place(
    connection: Connection, good: Sequence[Checked], trace: str | None
) -> tuple[list[TaskRow], list[Refused]]:
    """Create what can be; return the tasks, and those whose keys are taken."""
    new = [replace(creation.task(), traceparent=trace) for _, creation in good]
    placed = tasks.place(connection, new)
    old = [each.task_id for each in placed if not each.is_new]
    there = {task["id"]: task for task in listing.find_all(connection, old)}
    created, taken = [], []
    for (index, _), task, each in zip(good, new, placed, strict=True):
        if each.refused(task):
            taken.append((index, key_taken(each.task_id)))
        else:
            created.append(each.made(task) if each.is_new else there[each.task_id])
    return created, taken


def _conflict(taken: Sequence[Refused], language: Language) -> Problem:
    _, first = taken[0]
    first.members["failed"] = [_told(refused, language) for refused in taken]
    return first


_NAMES = tuple(RefusedTask.model_fields)


def _told(refused: Refused, language: Language) -> dict[str, Any]:
    index, problem = refused
    told = document(problem, language) | {"index": index}
    return {name: told[name] for name in _NAMES if name in told}
