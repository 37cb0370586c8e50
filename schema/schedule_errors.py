"""Why something that a person asked of a schedule cannot be done."""

from collections.abc import Mapping
from typing import Any

from schema.models.schedules import ScheduleStatus
from schema.schedule_moves import ScheduleVerb


class ScheduleError(Exception):
    """What a person asked of a schedule cannot be done.

    ScheduleMissingError     there is no such schedule
    ScheduleExistsError      another one of its task_type and account_id is live
    ScheduleStatusError      its status does not allow the verb
    ScheduleTaskRunsError    its task runs
    ScheduleNeverRunsError   its times never come
    ScheduleBeyondEndError   its next run would lie beyond its end
    ScheduleBrokenError      its row was changed into one that cannot run
    """


class ScheduleMissingError(ScheduleError):
    """There is no such schedule."""

    def __init__(self, schedule_id: int) -> None:
        super().__init__(f"there is no schedule {schedule_id}")
        self.schedule_id = schedule_id


class ScheduleExistsError(ScheduleError):
    """Another schedule of the task_type and account_id is live."""

    def __init__(self, existing_id: int) -> None:
        super().__init__(f"schedule {existing_id} is live")
        self.existing_id = existing_id


class ScheduleStatusError(ScheduleError):
    """The status of a schedule does not allow what is asked."""

    def __init__(self, verb: ScheduleVerb, row: Mapping[str, Any]) -> None:
        super().__init__(f"schedule {row['id']} is {row['status']}: it allows no {verb}")
        self.verb = verb
        self.schedule_id: int = row["id"]
        self.status = ScheduleStatus(row["status"])


class ScheduleTaskRunsError(ScheduleError):
    """The task of a schedule runs."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        super().__init__(f"task {row['last_task_id']} of schedule {row['id']} runs")
        self.schedule_id: int = row["id"]
        self.task_id: int = row["last_task_id"]


class ScheduleNeverRunsError(ScheduleError):
    """The times of a schedule never come."""


class ScheduleBeyondEndError(ScheduleError):
    """The next run of a schedule would lie beyond its end."""


class ScheduleBrokenError(ScheduleError):
    """The row of a schedule holds what makes no task or no times."""

    def __init__(self, schedule_id: int, reason: str) -> None:
        super().__init__(f"schedule {schedule_id} cannot run: {reason}")
        self.schedule_id = schedule_id
        self.reason = reason
