"""What is answered when something asked of a schedule cannot be done."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.faults import Fault
from api.problems import Invalid, Problem, respond
from schema.schedule_errors import (
    ScheduleBeyondEndError,
    ScheduleBrokenError,
    ScheduleError,
    ScheduleExistsError,
    ScheduleMissingError,
    ScheduleNeverRunsError,
    ScheduleStatusError,
    ScheduleTaskRunsError,
)
from schema.schedule_moves import allowed_actions
from schema.templates import TemplateError


def problem_of(error: ScheduleError) -> Problem:
    """Return what is answered."""
    values = vars(error)
    match error:
        case ScheduleMissingError():
            problem = Problem(404, "schedule_not_found", values=values)
        case ScheduleExistsError():
            problem = Problem(409, "schedule_exists", values=values, members=values)
        case ScheduleStatusError(status=status):
            members = {"current_state": status, "allowed_actions": allowed_actions(status)}
            problem = Problem(409, "schedule_forbids", values=values, members=members)
        case ScheduleTaskRunsError(task_id=task_id):
            problem = Problem(409, "schedule_runs", values=values, members={"task_id": task_id})
        case ScheduleBrokenError():
            problem = Problem(409, "schedule_broken", values=values)
        case ScheduleNeverRunsError():
            problem = Invalid([Fault("", "never_runs")])
        case ScheduleBeyondEndError():
            problem = Invalid([Fault("/priority_offset", "beyond_the_end")])
        case _:
            raise error
    return problem


async def _on_schedule_error(request: Request, error: ScheduleError) -> Response:
    return respond(request.scope, problem_of(error))


async def _on_template_error(request: Request, error: TemplateError) -> Response:
    fault = Fault("/title", "title_makes_no_task", {"reason": str(error)})
    return respond(request.scope, Invalid([fault]))


HANDLERS: Mapping[Any, Any] = {
    ScheduleError: _on_schedule_error,
    TemplateError: _on_template_error,
}
"""What FastAPI is to do with each class of error."""
