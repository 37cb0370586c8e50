"""What belongs to one account: its tasks and its schedules."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from api.access import ClientRoute, OperatorRoute
from api.caching import cacheable
from api.database import DatabaseDependency
from api.documentation import operation_id, problems
from api.schedule_json import ScheduleSummary
from api.schedule_query import ScheduleQuery
from api.schedules import LISTED_SCHEDULES, schedule_page
from api.task_json import TaskSummary
from api.task_query import PARAMETERS, TaskQueryDependency, refuse_given
from api.tasks import LISTED, task_page
from schema.fields import AccountId

router = APIRouter(
    tags=["accounts"], route_class=ClientRoute, generate_unique_id_function=operation_id
)
operators = APIRouter(
    tags=["accounts"], route_class=OperatorRoute, generate_unique_id_function=operation_id
)

Account = Annotated[AccountId, Path(description="Account that clients keep tasks under")]


@router.get(
    "/accounts/{account_id:path}/tasks",
    response_model=list[TaskSummary],
    responses={200: LISTED, **problems(404, 422, 503)},
    openapi_extra=PARAMETERS,
)
@cacheable
async def list_account_tasks(
    account_id: Account,
    query: TaskQueryDependency,
    request: Request,
    database: DatabaseDependency,
) -> Response:
    """List the tasks of an account, newest first."""
    refuse_given(request.query_params, "account_id")
    wanted = replace(query.filter(), account_id=[account_id])
    return await task_page(query, wanted, request, database)


@operators.get(
    "/accounts/{account_id:path}/schedules",
    response_model=list[ScheduleSummary],
    responses={200: LISTED_SCHEDULES, **problems(404, 422, 503)},
)
async def list_account_schedules(
    account_id: Account,
    query: Annotated[ScheduleQuery, Query()],
    request: Request,
    database: DatabaseDependency,
) -> Response:
    """List the schedules of an account, newest first."""
    refuse_given(request.query_params, "account_id")
    wanted = replace(query.filter(), account_id=[account_id])
    return await schedule_page(query, wanted, request, database)
