"""The verbs of operators, on one schedule."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.access import OperatorRoute
from api.database import Database, DatabaseDependency
from api.documentation import operation_id, problems
from api.paths import prefix
from api.refusals import found
from api.schedule_json import ReorderedSchedule, ScheduleDetail, ScheduleResponse
from api.schedules import ScheduleId
from api.task_json import TaskDetail, TaskResponse
from api.tasks import CREATED
from api.verbs import Offset
from schema import firing, schedule_listing, schedules
from schema.schedules import ScheduleRow

router = APIRouter(
    tags=["schedules"], route_class=OperatorRoute, generate_unique_id_function=operation_id
)

ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The schedule, changed or as it was when the goal holds already"},
    **problems(404, 409, 503),
}


class Shift(BaseModel):
    """Where to: by so many seconds, negative is sooner."""

    model_config = ConfigDict(extra="forbid", strict=True)

    priority_offset: Offset


@router.post(
    "/schedules/{schedule_id:number}/pause", response_model=ScheduleDetail, responses=ANSWERS
)
async def pause_schedule(schedule_id: ScheduleId, database: DatabaseDependency) -> Response:
    """Let it not run until it is resumed; its task goes on."""
    return await _done(database, schedule_id, schedules.pause)


@router.post(
    "/schedules/{schedule_id:number}/resume", response_model=ScheduleDetail, responses=ANSWERS
)
async def resume_schedule(schedule_id: ScheduleId, database: DatabaseDependency) -> Response:
    """Let it run again, an interval after its last run at the soonest."""
    return await _done(database, schedule_id, schedules.resume)


@router.post(
    "/schedules/{schedule_id:number}/reorder",
    response_model=ReorderedSchedule,
    responses=problems(400, 404, 409, 413, 415, 422, 503),
)
async def reorder_schedule(
    schedule_id: ScheduleId, database: DatabaseDependency, body: Annotated[Shift, Body()]
) -> Response:
    """Move its next run: not before now, and into its windows."""

    def reorder(connection: Connection, schedule_id: int) -> None:
        schedules.reorder(connection, schedule_id, body.priority_offset)

    return await _done(database, schedule_id, reorder, _reordered)


@router.post(
    "/schedules/{schedule_id:number}/run",
    status_code=201,
    response_model=TaskDetail,
    responses={201: CREATED, **problems(404, 409, 503)},
)
async def run_schedule(
    schedule_id: ScheduleId, request: Request, database: DatabaseDependency
) -> Response:
    """Make a task of it now; it counts as a round, and the next run stays where it is."""

    def work(connection: Connection) -> Response:
        task = found(connection, firing.run_now(connection, schedule_id))
        location = f"{prefix(request.scope)}/tasks/{task['id']}"
        return TaskResponse(task, 201, {"location": location})

    return await database.write(work)


def _reordered(row: ScheduleRow) -> Response:
    return ScheduleResponse(row, more={"new_next_execution_time": row["next_execution_time"]})


async def _done(
    database: Database,
    schedule_id: int,
    verb: Callable[[Connection, int], None],
    shown: Callable[[ScheduleRow], Response] = ScheduleResponse,
) -> Response:
    def work(connection: Connection) -> Response:
        verb(connection, schedule_id)
        return shown(schedule_listing.find(connection, schedule_id))

    return await database.write(work)
