"""What people may do to schedules, and in which statuses."""

from collections.abc import Mapping
from enum import StrEnum

from schema.models.schedules import ScheduleStatus


class ScheduleVerb(StrEnum):
    """What people do to schedules."""

    PAUSE = "pause"
    RESUME = "resume"
    REORDER = "reorder"
    RUN = "run"
    DELETE = "delete"


MOVES: Mapping[ScheduleVerb, frozenset[ScheduleStatus]] = {
    ScheduleVerb.PAUSE: frozenset({ScheduleStatus.ACTIVE}),
    ScheduleVerb.RESUME: frozenset({ScheduleStatus.PAUSED}),
    ScheduleVerb.REORDER: frozenset({ScheduleStatus.ACTIVE}),
    ScheduleVerb.RUN: frozenset({ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED}),
    ScheduleVerb.DELETE: frozenset(ScheduleStatus),
}
"""In which statuses each verb is allowed."""

GOALS: Mapping[ScheduleVerb, ScheduleStatus] = {
    ScheduleVerb.PAUSE: ScheduleStatus.PAUSED,
    ScheduleVerb.RESUME: ScheduleStatus.ACTIVE,
}
"""The status that a verb leads to: where it holds already, nothing is done."""


def allowed_actions(status: str) -> list[str]:
    """Return the verbs that a schedule's status allows."""
    return [str(verb) for verb, statuses in MOVES.items() if ScheduleStatus(status) in statuses]
