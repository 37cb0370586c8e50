"""Why a task is not running, in words, with what to do about it."""

from collections.abc import Callable
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


def in_utc(value: datetime) -> str:
    """Return a time of the database in words, without a doubt which clock is meant."""
    return f"{value:%Y-%m-%d %H:%M:%S} UTC"


def reasons_of(
    found: Explanation, language: Language, in_words: Callable[[datetime], str] = in_utc
) -> list[dict[str, Any]]:
    """Return the reasons as they are shown, with what to do; `in_words` writes their times."""

    def shown(reason: Reason) -> dict[str, Any]:
        words = {name: _word(value, in_words) for name, value in reason.values.items()}
        detail, remedy = explained(reason.code, words | {"task_id": found.task_id}, language)
        return {"code": reason.code, "detail": detail, "remedy": remedy, "values": reason.values}

    return [shown(reason) for reason in found.reasons]


def _shown(found: Explanation, language: Language) -> dict[str, Any]:
    return {
        "task_id": found.task_id,
        "status": found.status,
        "state": state_of(found.status, found.stage),
        "reasons": reasons_of(found, language),
    }


def _word(value: Any, in_words: Callable[[datetime], str]) -> Any:
    match value:
        case datetime():
            return in_words(value)
        case list():
            return ", ".join(str(each) for each in value)
        case _:
            return value
