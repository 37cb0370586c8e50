"""Why a task is not running, in words, with what to do about it."""

from datetime import datetime
from typing import Any

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.access import ClientRoute
from api.database import DatabaseDependency
from api.documentation import operation_id, problems
from api.explanations import explained
from api.languages import Language, requested
from api.refusals import no_task
from api.tasks import TaskId
from schema import why
from schema.shown import OPTIONS
from schema.states import State, Status, state_of
from schema.waiting import WaitsFor
from schema.why import Explanation, Reason, Standing

router = APIRouter(
    tags=["history"], route_class=ClientRoute, generate_unique_id_function=operation_id
)


class WhyReason(BaseModel):
    """One reason, and what to do about it."""

    code: WaitsFor | Standing
    detail: str
    remedy: str = Field(description="What to do about it")
    values: dict[str, Any] = Field(description="What is known of it, by name")


class Why(BaseModel):
    """Why a task is not running, or who runs it."""

    task_id: int
    status: Status
    state: State
    reasons: list[WhyReason] = Field(description="All that hold; the first comes first")


@router.get("/tasks/{task_id:number}/why", response_model=Why, responses=problems(404, 503))
async def get_why(task_id: TaskId, database: DatabaseDependency, request: Request) -> Response:
    """Say why a task is not running: every reason there is, each with what to do about it."""

    def work(connection: Connection) -> Explanation:
        found = why.explain(connection, task_id)
        if found is None:
            raise no_task(task_id)
        return found

    shown = _shown(await database.read(work), requested(request.scope))
    return Response(orjson.dumps(shown, option=OPTIONS), media_type="application/json")


def _shown(found: Explanation, language: Language) -> dict[str, Any]:
    return {
        "task_id": found.task_id,
        "status": found.status,
        "state": state_of(found.status, found.stage),
        "reasons": [_reason(found.task_id, each, language) for each in found.reasons],
    }


def _reason(task_id: int, reason: Reason, language: Language) -> dict[str, Any]:
    words = {name: _word(value) for name, value in reason.values.items()}
    detail, remedy = explained(reason.code, words | {"task_id": task_id}, language)
    return {"code": reason.code, "detail": detail, "remedy": remedy, "values": reason.values}


def _word(value: Any) -> Any:
    match value:
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
        case list():
            return ", ".join(str(each) for each in value)
        case _:
            return value
