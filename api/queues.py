"""The routes of queues."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.access import OperatorRoute
from api.database import Database, DatabaseDependency
from api.documentation import operation_id, problems
from api.paths import prefix
from api.problems import Problem
from api.task_json import described_by
from api.verbs import OptionalReason
from schema import queue_listing, queues
from schema.fields import Name
from schema.models.queues import Queue
from schema.queue_fields import QueueChanges, QueueCreation, QueuePause
from schema.queue_listing import QueueRow
from schema.runtime.logging import get_logger
from schema.shown import OPTIONS
from schema.states import Actor

log = get_logger(__name__)

router = APIRouter(
    tags=["queues"], route_class=OperatorRoute, generate_unique_id_function=operation_id
)

QueueName = Annotated[Name, Path(description="Name of the queue")]

CREATED: dict[str, Any] = {
    "description": "The queue",
    "headers": {"Location": {"description": "Its path", "schema": {"type": "string"}}},
}
LISTED: dict[str, Any] = {
    "description": "Queues, by their names",
    "headers": {
        "Link": {
            "description": 'The next page, with rel="next", when there may be one',
            "schema": {"type": "string"},
        },
        "X-Total-Count": {
            "description": "With include_total=true: how many there are",
            "schema": {"type": "integer"},
        },
    },
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The queue, changed or as it was when the goal holds already"},
    **problems(400, 404, 413, 415, 422, 503),
}


class QueueDetail(BaseModel):
    """A queue. All times are UTC."""

    model_config = described_by(Queue)

    name: str
    description: str | None
    max_concurrency: int | None
    rate_limit: int | None
    rate_period_seconds: int
    timeout_seconds: int | None
    retry_limit: int | None
    retention_days: int | None
    retention_failed_days: int | None
    is_paused: bool
    paused_reason: str | None
    paused_by: str | None
    paused_at: datetime | None
    resume_at: datetime | None
    depth: int = Field(description="Tasks that wait, due or not, as counted at counted_at")
    counted_at: datetime | None = Field(
        description="When the reaper counted; null: it has not yet, and depth says nothing"
    )
    in_progress: int = Field(
        description="Tasks in progress now, those that are being stopped or deleted included"
    )
    oldest_age_seconds: float | None = Field(
        description="How long the oldest of its due tasks has been due now; null: none is due"
    )
    created_at: datetime
    updated_at: datetime


class QueueQuery(BaseModel):
    """Parameters of the list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    after: Name | None = Field(
        None, description="Only queues behind this one: what a `next` link uses"
    )
    include_total: bool = Field(default=False, description="Count the queues, as X-Total-Count")


@router.post(
    "/queues",
    status_code=201,
    response_model=QueueDetail,
    responses={201: CREATED, **problems(400, 409, 413, 415, 422, 503)},
)
async def create_queue(
    creation: QueueCreation, request: Request, database: DatabaseDependency
) -> Response:
    """Create a queue before its first task; without this it comes to be with that, unlimited."""
    fields = creation.model_dump(exclude={"name"})

    def work(connection: Connection) -> Response:
        if not queues.create(connection, creation.name, fields):
            raise Problem(409, "queue_exists", values={"queue": creation.name})
        queue = found(connection, creation.name)
        location = f"{prefix(request.scope)}/queues/{queue['name']}"
        return _json(_shown(queue), 201, {"location": location})

    return await database.write(work)


@router.get(
    "/queues", response_model=list[QueueDetail], responses={200: LISTED, **problems(422, 503)}
)
async def list_queues(
    query: Annotated[QueueQuery, Query()], request: Request, database: DatabaseDependency
) -> Response:
    """List queues by their names."""

    def work(connection: Connection) -> tuple[list[QueueRow], int | None]:
        page = queue_listing.page(connection, limit=query.limit, after=query.after or "")
        return page, queue_listing.count(connection) if query.include_total else None

    page, total = await database.read(work)
    headers = {} if total is None else {"x-total-count": str(total)}
    if len(page) == query.limit:
        kept = {"limit": query.limit, "after": page[-1]["name"]}
        more = {"include_total": "true"} if query.include_total else {}
        address = f"{prefix(request.scope)}/queues?{urlencode(more | kept)}"
        headers["link"] = f'<{address}>; rel="next"'
    return _json([_shown(queue) for queue in page], 200, headers)


@router.get("/queues/{name}", response_model=QueueDetail, responses=problems(404, 503))
async def get_queue(name: QueueName, database: DatabaseDependency) -> Response:
    """Return one queue."""
    return _json(_shown(await database.read(lambda connection: found(connection, name))))


@router.patch(
    "/queues/{name}", response_model=QueueDetail, responses=problems(400, 404, 413, 415, 422, 503)
)
async def edit_queue(
    name: QueueName, changes: Annotated[QueueChanges, Body()], database: DatabaseDependency
) -> Response:
    """Change a queue: limits hold from the next claim on, defaults for tasks created later."""

    def work(connection: Connection) -> QueueRow:
        if changes:
            queues.edit(connection, name, dict(changes))
        return found(connection, name)

    return _json(_shown(await (database.write if changes else database.read)(work)))


@router.delete("/queues/{name}", status_code=204, responses=problems(404, 409, 503))
async def delete_queue(name: QueueName, database: DatabaseDependency) -> Response:
    """Delete a queue that holds no task, finished ones included; another task brings it back."""

    def work(connection: Connection) -> None:
        try:
            is_there = queues.remove(connection, name)
        except queues.NotEmptyError:
            raise Problem(409, "queue_not_empty", values={"queue": name}) from None
        if not is_there:
            raise _no_queue(name)

    await database.write(work)
    return Response(status_code=204)


@router.post("/queues/{name}/pause", response_model=QueueDetail, responses=ANSWERS)
async def pause_queue(
    name: QueueName,
    database: DatabaseDependency,
    body: Annotated[QueuePause | None, Body()] = None,
) -> Response:
    """Claim nothing more of a queue; what runs may finish. A longer pause stays as it is."""
    order = body or QueuePause()

    def work(connection: Connection) -> None:
        by = str(Actor.OPERATOR)
        queues.pause(connection, name, order.reason, seconds=order.seconds, by=by)

    answer = await _after(database, name, work)
    log.info("queue paused", queue=name, reason=order.reason, seconds=order.seconds)
    return answer


@router.post("/queues/{name}/resume", response_model=QueueDetail, responses=ANSWERS)
async def resume_queue(
    name: QueueName, database: DatabaseDependency, body: OptionalReason = None
) -> Response:
    """Let a queue be claimed from again."""
    answer = await _after(database, name, lambda connection: queues.resume(connection, name))
    log.info("queue resumed", queue=name, reason=body and body.reason)
    return answer


def found(connection: Connection, name: str) -> QueueRow:
    """Return a queue; raises Problem (404) when there is none."""
    queue = queue_listing.find(connection, name)
    if queue is None:
        raise _no_queue(name)
    return queue


async def _after(database: Database, name: str, change: Callable[[Connection], None]) -> Response:
    def work(connection: Connection) -> Response:
        change(connection)
        return _json(_shown(found(connection, name)))

    return await database.write(work)


def _no_queue(name: str) -> Problem:
    return Problem(404, "queue_not_found", values={"queue": name})


_NAMES = tuple(QueueDetail.model_fields)


def _shown(queue: QueueRow) -> dict[str, Any]:
    return {name: queue[name] for name in _NAMES}


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content, option=OPTIONS), status, headers, "application/json")
