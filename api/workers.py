"""The route of workers."""

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.access import OperatorRoute
from api.database import DatabaseDependency
from api.documentation import operation_id, problems
from api.task_json import described_by
from schema import workers
from schema.models.tasks import Task
from schema.models.workers import Worker, WorkerStatus
from schema.shown import OPTIONS
from schema.workers import MOST_GONE, MOST_TASKS, WorkerRow

router = APIRouter(
    tags=["workers"], route_class=OperatorRoute, generate_unique_id_function=operation_id
)


class HeldTask(BaseModel):
    """A task that a worker runs."""

    model_config = described_by(Task)

    id: int
    title: str
    task_type: str
    queue: str
    started_at: datetime
    lease_expires_at: datetime


class WorkerSummary(BaseModel):
    """One start of a worker process. All times are UTC."""

    model_config = described_by(Worker)

    id: str
    host: str
    pid: int
    version: str
    queues: list[str]
    task_types: list[str]
    slots: int
    status: WorkerStatus
    started_at: datetime
    last_heartbeat_at: datetime
    ended_at: datetime | None
    busy: int = Field(
        description="Slots that are taken; by deleted tasks too, until their handlers have ended"
    )
    tasks: list[HeldTask] = Field(
        description=f"What it runs, the oldest start first: up to {MOST_TASKS}"
    )


class WorkerQuery(BaseModel):
    """Parameters of the list."""

    model_config = ConfigDict(extra="forbid")

    status: list[WorkerStatus] = Field([], description="Can be repeated, and means any of them")


@router.get(
    "/workers",
    response_model=list[WorkerSummary],
    responses=problems(422, 503),
    description="Workers, the latest start first: all that live, and the last"
    f" {MOST_GONE} that stopped and {MOST_GONE} that died.",
)
async def list_workers(
    query: Annotated[WorkerQuery, Query()], database: DatabaseDependency
) -> Response:
    """List workers."""
    rows = await database.read(lambda connection: workers.listed(connection, query.status))
    content = orjson.dumps([_summary(row) for row in rows], option=OPTIONS)
    return Response(content, media_type="application/json")


_NAMES = tuple(WorkerSummary.model_fields)


def _summary(worker: WorkerRow) -> dict[str, Any]:
    return {name: worker[name] for name in _NAMES}
