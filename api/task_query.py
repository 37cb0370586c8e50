"""What a list of tasks can be asked for."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar, get_origin

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request

from api.faults import Fault, from_pydantic
from api.problems import Invalid
from schema.fields import (
    MAX_ID,
    WHOLE,
    AccountId,
    ErrorClass,
    Moment,
    Name,
    PriorityName,
    StateWord,
    Tag,
    Title,
)
from schema.filters import TaskFilter
from schema.states import Status

MAX_VALUES = 50
MAX_OFFSET = 10_000
MAX_LIMIT = 500

T = TypeVar("T")
Q = TypeVar("Q", bound=BaseModel)
Several = Annotated[list[T], Field(max_length=MAX_VALUES)]
RowId = Annotated[int, Field(ge=1, le=MAX_ID), WHOLE]


class Filters(BaseModel):
    """Which tasks; each field takes several values, and then means any of them."""

    model_config = ConfigDict(extra="forbid")

    status: Several[Status] = []
    state: Several[StateWord] = Field(
        [], description="The requirement's words for it: READY ... STOPPED, pending ... error"
    )
    priority: Several[PriorityName] = []
    tag: Several[Tag] = []
    tag_match: Literal["any", "all"] = Field("any", description="all: tasks with all the tags")
    queue: Several[Name] = []
    task_type: Several[Name] = []
    account_id: Several[AccountId] = []
    schedule_id: Several[RowId] = []
    batch_id: Several[RowId] = []
    callback_of: Several[RowId] = Field(
        [], description="Callbacks of these tasks; without it, or queue=callbacks, none are listed"
    )
    error_class: Several[ErrorClass] = Field([], description="Class of the last error")
    q: Title | None = Field(
        None, description="In digits the task with that number, else what the title begins with"
    )
    created_after: Moment | None = Field(None, description="Created at this time or later")
    created_before: Moment | None = Field(None, description="Created before this time")
    overdue: bool | None = Field(
        None, description="Whether its due_date has passed and it is not finished"
    )

    def filter(self) -> TaskFilter:
        """Return which tasks are meant."""
        return TaskFilter(**{name: getattr(self, name) for name in Filters.model_fields})


class Paging(BaseModel):
    """Which part of a list, newest first."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 100
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] = 0
    before_id: RowId | None = Field(
        None, description="Only older ones than this: what a `next` link uses"
    )
    include_total: bool = Field(
        default=False, description="Count what matches, up to 10,000, as X-Total-Count"
    )


class TaskQuery(Paging, Filters):
    """Parameters of the list; each filter can be repeated and then means any of its values."""


SEVERAL = frozenset(
    name for name, field in TaskQuery.model_fields.items() if get_origin(field.annotation) is list
)
"""Parameters that take several values."""


def _read(request: Request, kind: type[Q]) -> Q:
    """Read the parameters all at once: FastAPI, one by one, takes a fifth of a list's time."""
    return parse(request.query_params.multi_items(), kind)


def parse(parameters: Iterable[tuple[str, str]], kind: type[Q]) -> Q:
    """Return what parameters ask for; raises Invalid where they cannot be taken."""
    given: dict[str, Any] = {}
    for name, value in parameters:
        if name in SEVERAL:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise Invalid([Fault(f"/{name}", "given_twice")])
        else:
            given[name] = value
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise Invalid(
            [from_pydantic({**each, "loc": ("query", *each["loc"])}) for each in details]
        ) from None


async def _task_query(request: Request) -> TaskQuery:
    return _read(request, TaskQuery)


async def _filters(request: Request) -> Filters:
    return _read(request, Filters)


def _parameters(kind: type[BaseModel]) -> dict[str, Any]:
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": described}
            for name, described in schema["properties"].items()
        ]
    }


TaskQueryDependency = Annotated[TaskQuery, Depends(_task_query)]
FiltersDependency = Annotated[Filters, Depends(_filters)]

PARAMETERS = _parameters(TaskQuery)
"""What OpenAPI says of them: the `openapi_extra` of each route that takes them."""

FILTER_PARAMETERS = _parameters(Filters)
"""The same where there are no pages."""


def refuse_repeated(parameters: QueryParams) -> None:
    """Raise Invalid where a parameter that takes one value is given twice."""
    single = [name for name in TaskQuery.model_fields if name not in SEVERAL]
    repeated = [name for name in single if len(parameters.getlist(name)) > 1]
    if repeated:
        raise Invalid([Fault(f"/{name}", "given_twice") for name in repeated])


def refuse_given(parameters: QueryParams, name: str) -> None:
    """Raise Invalid where a parameter is given that the path has already."""
    if name in parameters:
        raise Invalid([Fault(f"/{name}", "given_twice")])
