"""The verbs on many tasks, and the batches that they become when they take longer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.access import (
    OPERATORS,
    ClientRoute,
    OperatorRoute,
    Principal,
    PrincipalDependency,
    roles_for,
)
from api.database import DatabaseDependency
from api.documentation import operation_id, problems
from api.languages import Language, requested
from api.paths import prefix
from api.problems import Problem, document
from api.task_query import SEVERAL, Filters, RowId
from api.tasks import paging_headers
from api.verbs import WithReason, refusal
from schema import batches, listing
from schema.batches import BatchRow, Report
from schema.fields import MAX_ID, WHOLE
from schema.limits import MOST_AT_ONCE
from schema.listing import Place
from schema.shown import OPTIONS
from schema.states import State, Verb
from schema.verbs import Order, Result

router = APIRouter(
    tags=["batches"], route_class=OperatorRoute, generate_unique_id_function=operation_id
)

MOST_COUNTED = 1_000_000
"""How far a dry run counts."""

DOINGS: Mapping[Verb, str] = {
    Verb.START: "Let paused, failed and cancelled tasks begin anew, in their old places.",
    Verb.STOP: "Cancel tasks; those that run are told to end.",
    Verb.PAUSE: "Let waiting tasks wait until they are resumed.",
    Verb.RESUME: "Let paused tasks wait in their old places again.",
    Verb.DELETE: "Delete tasks; those that run are told to end, and are gone for readers at once.",
}

BatchId = Annotated[int, Path(ge=1, le=MAX_ID, description="Number of the batch")]
Number = Annotated[int, Field(ge=1, le=MAX_ID), WHOLE]


class Matching(Filters):
    """Filters of the list, at least one of them; a single value needs no array."""

    @model_validator(mode="before")
    @classmethod
    def _single_values(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        single = {
            name: [value]
            for name, value in given.items()
            if name in SEVERAL and isinstance(value, str | int)
        }
        return given | single

    @model_validator(mode="after")
    def _says_which(self) -> "Matching":
        if not self.filter().words():
            raise PydanticCustomError("filter_empty", "empty filter")
        return self


class Selection(WithReason):
    """Which tasks, by their numbers or by a filter."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ids: Annotated[list[Number], Field(min_length=1, max_length=MOST_AT_ONCE)] | None = None
    filter: Matching | None = None
    dry_run: bool = Field(default=False, description="Only count")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "Selection":
        if (self.ids is None) == (self.filter is None):
            raise PydanticCustomError("ids_or_filter", "one of the two")
        return self

    def require(self, principal: Principal) -> None:
        """Raise Problem (403) for who may name tasks by their ids only, and did not."""
        if self.filter is not None:
            principal.require(OPERATORS)


class Failed(BaseModel):
    """A task to which the verb was not done."""

    id: int
    code: str
    detail: str
    current_state: State | None = Field(description="null: there is no such task")
    existing_id: int | None = Field(None, description="With unique_key_taken: who has the key")


class BatchReport(BaseModel):
    """What became of the tasks; one where the goal held already has succeeded."""

    requested: int
    succeeded: int
    failed: list[Failed] = Field(
        description="In the order asked; of a batch in the background the first 1,000"
    )


class BatchSummary(BaseModel):
    """A verb on many tasks, under way or through; the numbers are of what was worked on so far."""

    id: int
    verb: str
    status: Literal["running", "completed", "failed"]
    filter: dict[str, Any]
    reason: str | None
    requested: int
    succeeded: int
    last_task_id: int = Field(description="Goes down: tasks below it are still to be looked at")
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class Batch(BatchSummary, BatchReport):
    """A single batch, with what was refused."""


class BatchQuery(BaseModel):
    """Parameters of the list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    before_id: RowId | None = Field(
        None, description="Only older ones than this: what a `next` link uses"
    )


LISTED: dict[str, Any] = {
    "description": "Batches, newest first",
    "headers": {
        "Link": {
            "description": 'The next page, with rel="next", when there may be one',
            "schema": {"type": "string"},
        }
    },
}


ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The report; of a dry run, how many tasks are meant"},
    202: {
        "description": "More than 1,000 tasks match: they are worked on in the background",
        "model": Batch,
        "headers": {"Location": {"description": "Path of the batch", "schema": {"type": "string"}}},
    },
    **problems(400, 408, 413, 415, 422, 503),
}


def _offer(verb: Verb, method: str, path: str, name: str) -> None:
    async def act(
        selection: Annotated[Selection, Body()],
        request: Request,
        database: DatabaseDependency,
        principal: PrincipalDependency,
    ) -> Response:
        selection.require(principal)
        if selection.dry_run:
            count = await database.read(lambda connection: _count(connection, selection))
            return _json(report_of(verb, Report(count, 0, ()), "en"))
        order = Order(verb, principal.acting(verb), selection.reason)

        def work(connection: Connection) -> Response:
            done = carry_out(connection, order, selection)
            language = requested(request.scope)
            if isinstance(done, Report):
                return _json(report_of(verb, done, language))
            location = f"{prefix(request.scope)}/batches/{done['id']}"
            return _json(batch_of(done, language), 202, {"location": location})

        return await database.write(work)

    router.add_api_route(
        path,
        act,
        methods=[method],
        name=name,
        description=DOINGS[verb],
        response_model=BatchReport,
        responses=ANSWERS,
        route_class_override=OperatorRoute if roles_for(verb) == OPERATORS else ClientRoute,
    )


for _verb in DOINGS:
    _name = "delete_tasks_by_post" if _verb is Verb.DELETE else f"{_verb}_tasks"
    _offer(_verb, "POST", f"/tasks/batch/{_verb}", _name)
_offer(Verb.DELETE, "DELETE", "/tasks/batch", "delete_tasks")


@router.get(
    "/batches", response_model=list[BatchSummary], responses={200: LISTED, **problems(422, 503)}
)
async def list_batches(
    query: Annotated[BatchQuery, Query()], request: Request, database: DatabaseDependency
) -> Response:
    """List the verbs that are or were carried out in the background, newest first."""
    rows = await database.read(
        lambda connection: batches.page(connection, limit=query.limit, before_id=query.before_id)
    )
    more = Place(rows[-1]["id"]) if len(rows) == query.limit else None
    shown = [{name: row[name] for name in BatchSummary.model_fields} for row in rows]
    return _json(shown, 200, paging_headers(request, None, more))


@router.get("/batches/{batch_id:number}", response_model=Batch, responses=problems(404, 503))
async def get_batch(batch_id: BatchId, request: Request, database: DatabaseDependency) -> Response:
    """Return a batch: how far it is, and its report."""
    batch = await database.read(lambda connection: batches.find(connection, batch_id))
    if batch is None:
        raise Problem(404, "batch_not_found", values={"batch_id": batch_id})
    return _json(batch_of(batch, requested(request.scope)))


def _count(connection: Connection, selection: Selection) -> int:
    if selection.filter is None:
        return len(set(selection.ids or ()))
    return listing.count(connection, selection.filter.filter(), limit=MOST_COUNTED)


def carry_out(connection: Connection, order: Order, selection: Selection) -> Report | BatchRow:
    """Do what is ordered to the tasks selected, or where they are many, begin a batch."""
    if selection.filter is None:
        return batches.apply(connection, order, list(dict.fromkeys(selection.ids or ())))
    done = batches.apply_matching(connection, order, selection.filter.filter())
    if isinstance(done, Report):
        return done
    return batches.find(connection, done) or {}


def batch_of(batch: BatchRow, language: Language) -> dict[str, Any]:
    """Return a batch as it is shown."""
    report = report_of(Verb(batch["verb"]), batch["report"], language)
    rest = {name: batch[name] for name in Batch.model_fields if name not in report}
    return {"id": batch["id"], "status": batch["status"]} | report | rest


def report_of(verb: Verb, report: Report, language: Language) -> dict[str, Any]:
    """Return a report as it is shown, with what was refused in words."""
    return {
        "requested": report.requested,
        "succeeded": report.succeeded,
        "failed": [_failed(verb, result, language) for result in report.failed],
    }


def _failed(verb: Verb, result: Result, language: Language) -> dict[str, Any]:
    told = document(refusal(verb, result), language)
    failed = {
        "id": result.task_id,
        "code": told["code"],
        "detail": told["detail"],
        "current_state": result.state,
    }
    return failed if result.holder_id is None else failed | {"existing_id": result.holder_id}


def _json(content: Any, status_code: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content, option=OPTIONS), status_code, headers, "application/json")
