"""What a list of tasks can be asked for."""

from typing import Annotated, Literal, get_origin

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import QueryParams

from api.faults import Fault
from api.problems import Invalid
from schema.fields import MAX_ID, AccountId, Name, PriorityName, Tag
from schema.listing import TaskFilter
from schema.states import Status

MAX_VALUES = 50
MAX_OFFSET = 10_000
MAX_LIMIT = 500


class TaskQuery(BaseModel):
    """Parameters of the list; each filter can be repeated and then means any of its values."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[list[Status], Field(max_length=MAX_VALUES)] = []
    priority: Annotated[list[PriorityName], Field(max_length=MAX_VALUES)] = []
    tag: Annotated[list[Tag], Field(max_length=MAX_VALUES)] = []
    tag_match: Literal["any", "all"] = Field("any", description="all: tasks with all the tags")
    queue: Annotated[list[Name], Field(max_length=MAX_VALUES)] = []
    task_type: Annotated[list[Name], Field(max_length=MAX_VALUES)] = []
    account_id: Annotated[list[AccountId], Field(max_length=MAX_VALUES)] = []
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 100
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] = 0
    before_id: Annotated[int, Field(ge=1, le=MAX_ID)] | None = Field(
        None, description="Only older tasks than this one: what a `next` link uses"
    )
    include_total: bool = Field(
        default=False, description="Count the matching tasks, up to 10,000, as X-Total-Count"
    )

    def filter(self) -> TaskFilter:
        """Return which tasks are meant."""
        return TaskFilter(
            status=self.status,
            priority=self.priority,
            queue=self.queue,
            task_type=self.task_type,
            account_id=self.account_id,
            tag=self.tag,
            all_tags=self.tag_match == "all",
        )


_SINGLE = [
    name
    for name, field in TaskQuery.model_fields.items()
    if get_origin(field.annotation) is not list
]


def refuse_repeated(parameters: QueryParams) -> None:
    """Raise Invalid where a parameter that takes one value is given twice."""
    repeated = [name for name in _SINGLE if len(parameters.getlist(name)) > 1]
    if repeated:
        raise Invalid([Fault(f"/{name}", "given_twice") for name in repeated])
