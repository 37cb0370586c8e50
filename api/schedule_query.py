"""What a list of schedules can be asked for."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.task_query import MAX_LIMIT, MAX_OFFSET, MAX_VALUES, RowId
from schema.fields import AccountId, Name
from schema.models.schedules import ScheduleStatus
from schema.schedule_listing import ScheduleFilter


class ScheduleQuery(BaseModel):
    """Parameters of the list; each filter can be repeated and then means any of its values."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[list[ScheduleStatus], Field(max_length=MAX_VALUES)] = []
    task_type: Annotated[list[Name], Field(max_length=MAX_VALUES)] = []
    queue: Annotated[list[Name], Field(max_length=MAX_VALUES)] = []
    account_id: Annotated[list[AccountId], Field(max_length=MAX_VALUES)] = []
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 100
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] = 0
    before_id: RowId | None = Field(
        None, description="Only older schedules than this one: what a `next` link uses"
    )
    include_total: bool = Field(
        default=False, description="Count the matching schedules, up to 10,000, as X-Total-Count"
    )

    def filter(self) -> ScheduleFilter:
        """Return which schedules are meant."""
        return ScheduleFilter(
            status=self.status,
            task_type=self.task_type,
            queue=self.queue,
            account_id=self.account_id,
        )
