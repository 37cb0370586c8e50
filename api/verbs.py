"""The verbs of operators, on one task."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection
from starlette.responses import Response

from api.access import OperatorRoute, PrincipalDependency
from api.conditional import IfMatch, stale, versions_of
from api.database import Database, DatabaseDependency
from api.documentation import operation_id, problems
from api.problems import Problem
from api.refusals import found, key_taken, no_task
from api.task_json import TaskDetail, TaskResponse
from api.tasks import TaskId
from schema import verbs
from schema.fields import WHOLE, Reason
from schema.listing import TaskRow
from schema.shown import actions_of
from schema.states import Verb
from schema.verbs import SUCCESSES, Answer, Order, Result

router = APIRouter(
    tags=["verbs"], route_class=OperatorRoute, generate_unique_id_function=operation_id
)

LONGEST_SHIFT_SECONDS = 31_536_000

Offset = Annotated[int, Field(ge=-LONGEST_SHIFT_SECONDS, le=LONGEST_SHIFT_SECONDS), WHOLE]
"""Seconds by which something is moved; negative is sooner."""

ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The task, changed or as it was when the goal holds already"},
    **problems(400, 404, 409, 412, 413, 415, 422, 503),
}


class WithReason(BaseModel):
    """Why it is done; kept in the task's events."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Reason | None = None


OptionalReason = Annotated[WithReason | None, Body()]


class Move(WithReason):
    """Where to: by seconds (negative is sooner, into the past if need be), or to a place.

    "first" is before and "last" behind all others of its queue and priority that are due.
    """

    priority_offset: Offset | None = None
    to: Literal["first", "last"] | None = None

    @model_validator(mode="after")
    def _is_one_move(self) -> "Move":
        if (self.priority_offset is None) == (self.to is None):
            raise PydanticCustomError("one_move", "one of the two")
        return self

    @property
    def place(self) -> float | Literal["first", "last"]:
        """The move as the schema takes it."""
        return self.to or self.priority_offset or 0


class Reordered(TaskDetail):
    """The task, and when it is due now."""

    new_next_execution_time: datetime


DOINGS: Mapping[Verb, str] = {
    Verb.START: "Let a paused, failed or cancelled task begin anew, in its old place.",
    Verb.STOP: "Cancel a task; one that runs is told to end and is `stopping` until it has.",
    Verb.PAUSE: "Let a waiting task wait until it is resumed.",
    Verb.RESUME: "Let a paused task wait in its old place again.",
}


def _offer(verb: Verb, doing: str) -> None:
    async def act(
        task_id: TaskId,
        database: DatabaseDependency,
        principal: PrincipalDependency,
        if_match: IfMatch = None,
        body: OptionalReason = None,
    ) -> Response:
        reason = body.reason if body else None
        order = Order(verb, principal.acting(verb), reason, versions=versions_of(if_match))
        return await _done(database, task_id, order)

    router.add_api_route(
        f"/tasks/{{task_id:number}}/{verb}",
        act,
        methods=["POST"],
        name=f"{verb}_task",
        description=doing,
        response_model=TaskDetail,
        responses=ANSWERS,
    )


for _verb, _doing in DOINGS.items():
    _offer(_verb, _doing)


@router.post("/tasks/{task_id:number}/reorder", response_model=Reordered, responses=ANSWERS)
async def reorder_task(
    task_id: TaskId,
    database: DatabaseDependency,
    principal: PrincipalDependency,
    body: Annotated[Move, Body()],
    if_match: IfMatch = None,
) -> Response:
    """Move a task that waits or is paused within its queue and priority."""
    actor = principal.acting(Verb.REORDER)
    order = Order(Verb.REORDER, actor, body.reason, body.place, versions_of(if_match))
    return await _done(database, task_id, order)


def refusal(verb: Verb, result: Result) -> Problem:
    """Return the problem of a task to which a verb was not done."""
    match result.answer:
        case Answer.MISSING:
            return no_task(result.task_id)
        case Answer.KEY_TAKEN:
            return key_taken(result.holder_id)
        case _:
            values = {"task_id": result.task_id, "state": result.state, "verb": verb}
            return Problem(409, "state_forbids", values=values)


def carry_out(connection: Connection, order: Order, task_id: int) -> TaskRow:
    """Do what is ordered to a task and return it; raises Problem (404, 409, 412)."""
    [result] = verbs.apply(connection, order, [task_id])
    task = found(connection, task_id)
    if result.answer is Answer.STALE:
        raise stale(task)
    if result.answer not in SUCCESSES:
        refused = refusal(order.verb, result)
        refused.members |= {"current_state": result.state, "allowed_actions": actions_of(task)}
        raise refused
    return task


async def _done(database: Database, task_id: int, order: Order) -> Response:
    def work(connection: Connection) -> Response:
        task = carry_out(connection, order, task_id)
        moved = order.verb is Verb.REORDER
        more = {"new_next_execution_time": task["available_at"]} if moved else None
        return TaskResponse(task, more=more)

    return await database.write(work)
