"""What happened to a task, and how it stands in few words."""

from datetime import datetime
from typing import Any

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.responses import Response

from api.access import ClientRoute
from api.database import Database, DatabaseDependency
from api.documentation import operation_id, problems
from api.refusals import found, no_task
from api.task_json import Progress, described_by
from api.tasks import TaskId
from schema import history
from schema.models.history import TaskAttempt, TaskEvent
from schema.shown import OPTIONS, summary
from schema.states import AttemptOutcome, Stage, State, Status
from schema.waiting import WaitsFor, waits_for

router = APIRouter(
    tags=["history"], route_class=ClientRoute, generate_unique_id_function=operation_id
)


class TaskStatus(BaseModel):
    """How a task stands."""

    id: int
    status: Status
    state: State
    stage: Stage | None
    stopping: bool
    waits_for: WaitsFor | None = Field(description="While it waits: what holds it back")
    progress: Progress | None
    current_retry_count: int
    retry_limit: int
    last_error: str | None
    started_at: datetime | None
    finished_at: datetime | None
    version: int
    allowed_actions: list[str]


class Attempt(BaseModel):
    """One attempt that has ended."""

    model_config = described_by(TaskAttempt)

    task_id: int
    fence: int
    attempt: int
    worker_id: str
    available_at: datetime
    started_at: datetime
    ended_at: datetime
    outcome: AttemptOutcome
    error_class: str | None
    message: str | None
    traceback: str | None


class Event(BaseModel):
    """Something that a person or the API did."""

    model_config = described_by(TaskEvent)

    id: int
    task_id: int
    created_at: datetime
    actor: str
    verb: str
    from_status: Status | None
    to_status: Status | None
    reason: str | None


class Moment(BaseModel):
    """One entry of a timeline: an attempt, by its end, or an event."""

    at: datetime
    kind: str
    attempt: Attempt | None = None
    event: Event | None = None


@router.get(
    "/tasks/{task_id:number}/status", response_model=TaskStatus, responses=problems(404, 503)
)
async def get_task_status(task_id: TaskId, database: DatabaseDependency) -> Response:
    """Return how a task stands, in few words."""

    def work(connection: Connection) -> dict[str, Any]:
        task = summary(found(connection, task_id))
        return task | {"waits_for": waits_for(connection, task_id)}

    shown = await database.read(work)
    return _json({name: shown[name] for name in TaskStatus.model_fields})


@router.get(
    "/tasks/{task_id:number}/attempts", response_model=list[Attempt], responses=problems(404, 503)
)
async def list_attempts(task_id: TaskId, database: DatabaseDependency) -> Response:
    """Return the attempts that have ended, oldest first."""
    return _json((await _history(database, task_id))[0])


@router.get(
    "/tasks/{task_id:number}/events", response_model=list[Event], responses=problems(404, 503)
)
async def list_events(task_id: TaskId, database: DatabaseDependency) -> Response:
    """Return what people and the API did, oldest first."""
    return _json((await _history(database, task_id))[1])


@router.get(
    "/tasks/{task_id:number}/timeline", response_model=list[Moment], responses=problems(404, 503)
)
async def get_timeline(task_id: TaskId, database: DatabaseDependency) -> Response:
    """Return attempts and events together, in the order of time."""
    attempts, events = await _history(database, task_id)
    moments: list[dict[str, Any]] = [
        *({"at": each["ended_at"], "kind": "attempt", "attempt": each} for each in attempts),
        *({"at": each["created_at"], "kind": "event", "event": each} for each in events),
    ]
    return _json(sorted(moments, key=lambda moment: moment["at"]))


async def _history(
    database: Database, task_id: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    def work(connection: Connection) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        if not history.is_visible(connection, task_id):
            raise no_task(task_id)
        return history.attempts(connection, task_id), history.events(connection, task_id)

    return await database.read(work)


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content, option=OPTIONS), media_type="application/json")
