"""The routes of tasks."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Body, Path
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import JsonRoute
from api.caching import cacheable
from api.database import Database, DatabaseDependency
from api.documentation import operation_id, problems
from api.paths import prefix
from api.problems import Problem, instance
from api.task_json import TaskDetail, TaskResponse, TasksResponse, TaskSummary
from api.task_query import PARAMETERS, TaskQuery, TaskQueryDependency
from schema import listing, tasks, verbs
from schema.fields import MAX_ID
from schema.filters import TaskFilter
from schema.listing import Page, Place, TaskRow
from schema.states import Actor, Verb
from schema.task_fields import TaskChanges, TaskCreation
from schema.tasks import Placed
from schema.verbs import Answer, Order

router = APIRouter(tags=["tasks"], route_class=JsonRoute, generate_unique_id_function=operation_id)

CREATED: dict[str, Any] = {
    "description": "The task",
    "headers": {"Location": {"description": "Its path", "schema": {"type": "string"}}},
}
EXISTING = CREATED | {"description": "The unfinished task that has the unique_key already"}
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
    new = creation.task()

    def work(connection: Connection) -> tuple[Placed, TaskRow]:
        [placed] = tasks.place(connection, [new])
        if placed.refused(new):
            raise key_taken(placed.task_id)
        is_new = placed.is_new
        return placed, placed.made_whole(new) if is_new else found(connection, placed.task_id)

    placed, task = await database.write(work)
    location = f"{prefix(request.scope)}/tasks/{placed.task_id}"
    return TaskResponse(task, 201 if placed.is_new else 200, {"location": location})


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


@router.get("/tasks/{task_id:number}", response_model=TaskDetail, responses=problems(404, 503))
@cacheable
async def get_task(task_id: TaskId, database: DatabaseDependency) -> Response:
    """Return one task."""
    return TaskResponse(await database.read(lambda connection: found(connection, task_id)))


@router.patch(
    "/tasks/{task_id:number}",
    response_model=TaskDetail,
    responses=problems(400, 404, 413, 415, 422, 503),
)
async def edit_task(
    task_id: TaskId, changes: Annotated[TaskChanges, Body()], database: DatabaseDependency
) -> Response:
    """Change fields of a task; its status is the system's to change."""

    def work(connection: Connection) -> TaskRow:
        if changes and not tasks.edit(connection, task_id, _columns(changes)):
            raise no_task(task_id)
        return found(connection, task_id)

    return TaskResponse(await (database.write if changes else database.read)(work))


@router.delete("/tasks/{task_id:number}", status_code=204, responses=problems(404, 503))
async def delete_task(task_id: TaskId, database: DatabaseDependency) -> Response:
    """Delete a task; one that runs is stopped first, and is gone for readers at once."""

    def work(connection: Connection) -> None:
        [result] = verbs.apply(connection, Order(Verb.DELETE, str(Actor.CLIENT)), [task_id])
        if result.answer is Answer.MISSING:
            raise no_task(task_id)

    await database.write(work)
    return Response(status_code=204)


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


def found(connection: Connection, task_id: int) -> TaskRow:
    """Return a task; raises Problem (404) when there is none."""
    task = listing.find(connection, task_id)
    if task is None:
        raise no_task(task_id)
    return task


def no_task(task_id: int) -> Problem:
    """Return what to raise when there is no such task."""
    return Problem(404, "task_not_found", values={"task_id": task_id})


def key_taken(task_id: int | None) -> Problem:
    """Return what to raise when that unfinished task has the unique_key."""
    members = {"existing_id": task_id}
    return Problem(409, "unique_key_taken", values={"task_id": task_id}, members=members)


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
