"""The routes of the dispatcher: the switch over everything that is claimed."""

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from api.access import OperatorRoute
from api.database import Database, DatabaseDependency
from api.documentation import operation_id, problems
from schema import counts, dispatcher
from schema.dispatcher import MOST_RUNNING
from schema.fields import DispatcherReason
from schema.runtime.logging import get_logger
from schema.shown import OPTIONS
from schema.states import Status

log = get_logger(__name__)

router = APIRouter(
    tags=["dispatcher"], route_class=OperatorRoute, generate_unique_id_function=operation_id
)

ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "How it stands now, changed or as it was when the goal holds already"},
    **problems(400, 413, 415, 422, 503),
}


class RunningTask(BaseModel):
    """A task in progress."""

    task_id: int
    account_id: str | None
    started_at: datetime


class DispatcherStatus(BaseModel):
    """Whether anything is claimed, and how many tasks there are. All times are UTC."""

    is_running: bool = Field(description="false: nothing is claimed; what runs may finish")
    reason: str | None = Field(description="Why it was started or stopped last")
    since: datetime | None = Field(description="When that was")
    total_tasks: int
    pending_tasks: int = Field(description="to_do and retrying")
    running_tasks: int = Field(description="in_progress, as of now; the others as of counted_at")
    paused_tasks: int
    completed_tasks: int = Field(description="done")
    error_tasks: int = Field(description="failed")
    cancelled_tasks: int
    counted_at: datetime | None = Field(description="When the reaper counted; null: not yet")
    current_running_task: RunningTask | None = Field(description="The one that runs longest")
    current_running_tasks: list[RunningTask] = Field(
        description=f"Those that run longest: up to {MOST_RUNNING}"
    )


class Switch(BaseModel):
    """Why it is started or stopped."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: DispatcherReason | None = None


OptionalSwitch = Annotated[Switch | None, Body()]


@router.get("/dispatcher/status", response_model=DispatcherStatus, responses=problems(503))
async def get_dispatcher_status(database: DatabaseDependency) -> Response:
    """Return whether the dispatcher runs, and how many tasks there are."""
    return _json(await database.read(_status))


@router.post("/dispatcher/start", response_model=DispatcherStatus, responses=ANSWERS)
async def start_dispatcher(database: DatabaseDependency, body: OptionalSwitch = None) -> Response:
    """Let workers claim again."""
    return await _switched(database, body, is_running=True)


@router.post("/dispatcher/stop", response_model=DispatcherStatus, responses=ANSWERS)
async def stop_dispatcher(database: DatabaseDependency, body: OptionalSwitch = None) -> Response:
    """Let nothing more be claimed anywhere, over restarts too, until it is started again."""
    return await _switched(database, body, is_running=False)


async def _switched(database: Database, body: Switch | None, *, is_running: bool) -> Response:
    reason = body.reason if body else None

    def work(connection: Connection) -> Response:
        dispatcher.set_running(connection, reason, is_running=is_running)
        return _json(_status(connection))

    answer = await database.write(work)
    log.info("dispatcher started" if is_running else "dispatcher stopped", reason=reason)
    return answer


def _status(connection: Connection) -> dict[str, Any]:
    state = dispatcher.state(connection)
    counted = counts.totals(connection)
    running = dispatcher.running(connection)
    by_status = {**counted.by_status, Status.IN_PROGRESS: running.count}
    tasks = [
        {"task_id": each.id, "account_id": each.account_id, "started_at": each.started_at}
        for each in running.longest
    ]
    return {
        "is_running": state.is_running,
        "reason": state.reason,
        "since": state.since,
        "total_tasks": sum(by_status.values()),
        "pending_tasks": by_status[Status.TO_DO] + by_status[Status.RETRYING],
        "running_tasks": running.count,
        "paused_tasks": by_status[Status.PAUSED],
        "completed_tasks": by_status[Status.DONE],
        "error_tasks": by_status[Status.FAILED],
        "cancelled_tasks": by_status[Status.CANCELLED],
        "counted_at": counted.counted_at,
        "current_running_task": tasks[0] if tasks else None,
        "current_running_tasks": tasks,
    }


def _json(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content, option=OPTIONS), media_type="application/json")
