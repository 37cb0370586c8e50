"""What a list of schedules can be asked for."""

from pydantic import BaseModel

from api.task_query import Paging, Several
from schema.fields import AccountId, Name
from schema.models.schedules import ScheduleStatus
from schema.schedule_listing import ScheduleFilter


class ScheduleQuery(Paging, BaseModel):
    """Parameters of the list; each filter can be repeated and then means any of its values."""

    status: Several[ScheduleStatus] = []
    task_type: Several[Name] = []
    queue: Several[Name] = []
    account_id: Several[AccountId] = []

    def filter(self) -> ScheduleFilter:
        """Return which schedules are meant."""
        return ScheduleFilter(
            status=self.status,
            task_type=self.task_type,
            queue=self.queue,
            account_id=self.account_id,
        )
