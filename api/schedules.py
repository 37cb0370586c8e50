"""The routes of schedules; the verbs are in `api.schedule_verbs`."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Path, Query
from pydantic import ValidationError
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.access import OperatorRoute
from api.caching import cacheable
from api.callbacks import require_callable
from api.database import Database, DatabaseDependency
from api.documentation import operation_id, problems
from api.faults import of_task
from api.paths import prefix
from api.problems import Invalid
from api.schedule_json import ScheduleDetail, ScheduleResponse, SchedulesResponse, ScheduleSummary
from api.schedule_query import ScheduleQuery
from api.task_json import TaskSummary
from api.task_query import PARAMETERS, TaskQueryDependency, refuse_given, refuse_repeated
from api.tasks import LISTED, paging_headers, task_page
from schema import schedule_listing, schedules
from schema.fields import MAX_ID
from schema.listing import Place
from schema.schedule_fields import ScheduleChange, ScheduleCreation, changed_columns
from schema.schedule_listing import ScheduleFilter
from schema.schedules import ScheduleRow
from schema.shown import OPTIONS

router = APIRouter(
    tags=["schedules"], route_class=OperatorRoute, generate_unique_id_function=operation_id
)

MOST_RUNS = 100

CREATED: dict[str, Any] = {
    "description": "The schedule",
    "headers": {"Location": {"description": "Its path", "schema": {"type": "string"}}},
}
LISTED_SCHEDULES = LISTED | {"description": "Schedules, newest first"}

ScheduleId = Annotated[int, Path(ge=1, le=MAX_ID, description="Number of the schedule")]


@router.post(
    "/schedules",
    status_code=201,
    response_model=ScheduleDetail,
    responses={201: CREATED, **problems(400, 409, 413, 415, 422, 503)},
)
async def create_schedule(
    creation: ScheduleCreation, request: Request, database: DatabaseDependency
) -> Response:
    """Create a schedule. An interval first runs now, where its window and start_at allow it."""
    require_callable(request, creation.callback_url)
    columns = creation.columns(request.app.state.timezone)

    def work(connection: Connection) -> Response:
        row = schedule_listing.find(connection, schedules.create(connection, columns))
        location = f"{prefix(request.scope)}/schedules/{row['id']}"
        return ScheduleResponse(row, 201, {"location": location})

    return await database.write(work)


@router.get(
    "/schedules",
    response_model=list[ScheduleSummary],
    responses={200: LISTED_SCHEDULES, **problems(422, 503)},
)
async def list_schedules(
    query: Annotated[ScheduleQuery, Query()], request: Request, database: DatabaseDependency
) -> Response:
    """List schedules, newest first."""
    return await schedule_page(query, query.filter(), request, database)


@router.get(
    "/schedules/{schedule_id:number}", response_model=ScheduleDetail, responses=problems(404, 503)
)
async def get_schedule(schedule_id: ScheduleId, database: DatabaseDependency) -> Response:
    """Return one schedule."""
    return ScheduleResponse(await _found(database, schedule_id))


@router.patch(
    "/schedules/{schedule_id:number}",
    response_model=ScheduleDetail,
    responses=problems(400, 404, 409, 413, 415, 422, 503),
)
async def edit_schedule(
    schedule_id: ScheduleId,
    changes: Annotated[ScheduleChange, Body()],
    request: Request,
    database: DatabaseDependency,
) -> Response:
    """Change fields of a schedule; where its times change, so does its next run."""
    require_callable(request, changes.get("callback_url"))

    def work(connection: Connection) -> ScheduleRow:
        try:
            if changes:
                schedules.edit(connection, schedule_id, changed_columns(changes))
        except ValidationError as error:  # only its row tells that its tasks are workflows
            raise Invalid(of_task(error)) from None
        return schedule_listing.find(connection, schedule_id)

    return ScheduleResponse(await (database.write if changes else database.read)(work))


@router.delete("/schedules/{schedule_id:number}", status_code=204, responses=problems(404, 503))
async def delete_schedule(schedule_id: ScheduleId, database: DatabaseDependency) -> Response:
    """Delete a schedule; the tasks that it made stay."""
    await database.write(lambda connection: schedules.remove(connection, schedule_id))
    return Response(status_code=204)


@router.get(
    "/schedules/{schedule_id:number}/tasks",
    response_model=list[TaskSummary],
    responses={200: LISTED, **problems(404, 422, 503)},
    openapi_extra=PARAMETERS,
)
@cacheable
async def list_schedule_tasks(
    schedule_id: ScheduleId,
    query: TaskQueryDependency,
    request: Request,
    database: DatabaseDependency,
) -> Response:
    """List the tasks that a schedule made, newest first."""
    refuse_given(request.query_params, "schedule_id")
    await _found(database, schedule_id)
    wanted = replace(query.filter(), schedule_id=[schedule_id])
    return await task_page(query, wanted, request, database)


@router.get(
    "/schedules/{schedule_id:number}/next",
    response_model=list[datetime],
    responses=problems(404, 409, 422, 503),
)
async def list_next_runs(
    schedule_id: ScheduleId,
    database: DatabaseDependency,
    count: Annotated[int, Query(ge=1, le=MOST_RUNS)] = 10,
) -> Response:
    """Tell when it runs next, if every run makes a task: nothing while it is paused."""
    runs = schedule_listing.next_runs(await _found(database, schedule_id), count)
    return Response(orjson.dumps(runs, option=OPTIONS), media_type="application/json")


async def schedule_page(
    query: ScheduleQuery, wanted: ScheduleFilter, request: Request, database: Database
) -> Response:
    """Return a page of a list of schedules: `wanted` is what `query` asks for, or less."""
    refuse_repeated(request.query_params)

    def work(connection: Connection) -> tuple[list[ScheduleRow], int | None]:
        page = schedule_listing.page(
            connection,
            wanted,
            limit=query.limit,
            offset=query.offset,
            before_id=query.before_id,
        )
        return page, schedule_listing.count(connection, wanted) if query.include_total else None

    page, total = await database.read(work)
    more = Place(page[-1]["id"]) if len(page) == query.limit else None
    return SchedulesResponse(page, paging_headers(request, total, more))


async def _found(database: Database, schedule_id: int) -> ScheduleRow:
    return await database.read(lambda connection: schedule_listing.find(connection, schedule_id))
