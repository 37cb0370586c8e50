"""The routes of tasks."""

from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Body, Path
from pydantic import ValidationError
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.access import ClientRoute, PrincipalDependency
from api.caching import cacheable
from api.callbacks import require_callable
from api.conditional import IfMatch, stale, versions_of
from api.creating import Creations, Wanted
from api.database import Database, DatabaseDependency
from api.documentation import operation_id, problems
from api.faults import of_task
from api.paths import prefix
from api.problems import Invalid, Problem, instance
from api.refusals import found, no_task
from api.task_json import TaskDetail, TaskResponse, TasksResponse, TaskSummary
from api.task_query import PARAMETERS, TaskQuery, TaskQueryDependency
from api.waiting import WAIT_PARAMETERS, WAITED, held, wait_asked
from schema import listing, tasks, verbs
from schema.fields import MAX_ID
from schema.filters import TaskFilter
from schema.listing import Page, Place, TaskRow
from schema.runtime import tracing
from schema.states import Verb
from schema.task_fields import TaskChanges, TaskCreation
from schema.verbs import Answer, Order

router = APIRouter(
    tags=["tasks"], route_class=ClientRoute, generate_unique_id_function=operation_id
)

CREATED: dict[str, Any] = {
    "description": "The task",
    "headers": {"Location": {"description": "Its path", "schema": {"type": "string"}}},
}
EXISTING = CREATED | {
    "description": "The unfinished task that has the unique_key already",
    "model": TaskDetail,
}
LISTED: dict[str, Any] = {
    "description": "Tasks, newest first",
    "headers": {
        "Link": {
            "description": 'The next page, with rel="next", when there may be one',
            "schema": {"type": "string"},
        },
        "X-Total-Count": {
            "description": "With include_total=true: how many match, counted up to 10,000",
            "schema": {"type": "integer"},
        },
    },
}

TaskId = Annotated[int, Path(ge=1, le=MAX_ID, description="Number of the task")]


@router.post(
    "/tasks",
    status_code=201,
    response_model=TaskDetail,
    responses={200: EXISTING, 201: CREATED, **problems(400, 409, 413, 415, 422, 503)},
)
async def create_task(
    creation: TaskCreation, request: Request, database: DatabaseDependency
) -> Response:
    """Create a task, unless its unique_key is taken."""
    require_callable(request, creation.callback_url)
    trace = tracing.given(request.headers.get("traceparent"))
    wanted = Wanted(replace(creation.task(), traceparent=trace), prefix(request.scope))
    creations: Creations = request.app.state.creations
    return await creations.create(wanted, database)


@router.get(
    "/tasks",
    response_model=list[TaskSummary],
    responses={200: LISTED, **problems(422, 503)},
    openapi_extra=PARAMETERS,
)
@cacheable
async def list_tasks(
    query: TaskQueryDependency, request: Request, database: DatabaseDependency
) -> Response:
    """List tasks, newest first."""
    return await task_page(query, query.filter(), request, database)


@router.get(
    "/tasks/{task_id:number}",
    response_model=TaskDetail,
    responses={200: WAITED, **problems(404, 422, 503)},
    openapi_extra=WAIT_PARAMETERS,
)
@cacheable
async def get_task(task_id: TaskId, request: Request, database: DatabaseDependency) -> Response:
    """Return one task, at once or when it has ended."""

    def read(connection: Connection) -> TaskRow:
        return found(connection, task_id)

    wait = wait_asked(request)
    if wait is None:
        return TaskResponse(await database.read(read))
    task = await held(request, database, task_id, wait, read)
    return TaskResponse(task, headers=wait.headers)


@router.patch(
    "/tasks/{task_id:number}",
    response_model=TaskDetail,
    responses=problems(400, 404, 409, 412, 413, 415, 422, 503),
)
async def edit_task(
    task_id: TaskId,
    changes: Annotated[TaskChanges, Body()],
    request: Request,
    database: DatabaseDependency,
    if_match: IfMatch = None,
) -> Response:
    """Change fields of a task; its status is the system's to change."""
    versions = versions_of(if_match)
    require_callable(request, changes.get("callback_url"))

    def work(connection: Connection) -> TaskRow:
        try:
            is_edited = changes and tasks.edit(connection, task_id, _columns(changes), versions)
        except ValidationError as error:  # only its row tells that it is a workflow
            raise Invalid(of_task(error)) from None
        task = found(connection, task_id)
        if changes and task["callback_of"] is not None:
            raise Problem(409, "callback_is_fixed", values={"task_id": task_id})
        if not is_edited and versions is not None and (changes or task["version"] not in versions):
            raise stale(task)
        return task

    return TaskResponse(await (database.write if changes else database.read)(work))


@router.delete("/tasks/{task_id:number}", status_code=204, responses=problems(404, 412, 503))
async def delete_task(
    task_id: TaskId,
    database: DatabaseDependency,
    principal: PrincipalDependency,
    if_match: IfMatch = None,
) -> Response:
    """Delete a task; one that runs is stopped first, and is gone for readers at once."""
    order = Order(Verb.DELETE, principal.acting(Verb.DELETE), versions=versions_of(if_match))
    await database.write(lambda connection: remove(connection, order, task_id))
    return Response(status_code=204)


def remove(connection: Connection, order: Order, task_id: int) -> None:
    """Delete a task; raises Problem (404, 412)."""
    [result] = verbs.apply(connection, order, [task_id])
    if result.answer is Answer.MISSING:
        raise no_task(task_id)
    if result.answer is Answer.STALE:
        raise stale(found(connection, task_id))


async def task_page(
    query: TaskQuery, wanted: TaskFilter, request: Request, database: Database
) -> Response:
    """Return a page of a list of tasks: `wanted` is what `query` asks for, or less."""

    def work(connection: Connection) -> tuple[Page, int | None]:
        page = listing.page(
            connection,
            wanted,
            limit=query.limit,
            offset=query.offset,
            before_id=query.before_id,
        )
        return page, listing.count(connection, wanted) if query.include_total else None

    page, total = await database.read(work)
    return TasksResponse(page.tasks, headers=paging_headers(request, total, page.next))


def _columns(changes: TaskChanges) -> dict[str, Any]:
    return dict(changes)


def paging_headers(request: Request, total: int | None, next_: Place | None) -> dict[str, str]:
    """Return the total of a list, where it was counted, and the address of its next page."""
    headers = {} if total is None else {"x-total-count": str(total)}
    if next_ is not None:
        headers["link"] = f'<{_address(request, next_)}>; rel="next"'
    return headers


def _address(request: Request, place: Place) -> str:
    kept = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in {"before_id", "offset"}
    ]
    there = {"before_id": place.before_id} | ({"offset": place.offset} if place.offset else {})
    return f"{instance(request.scope)}?{urlencode([*kept, *there.items()])}"
