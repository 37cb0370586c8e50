"""`rowlease overview`."""

from collections.abc import Callable
from typing import Annotated, Any, get_args

import typer

from rowlease.command_line.commands import Session
from rowlease.command_line.output import Columns, age, duration
from rowlease.overview import Alarm, ErrorClass, Overview, Period
from rowlease.task_records import State

Back = Annotated[Period, typer.Option(help="How far figures look back")]


def _of(state: State) -> Callable[[Overview], Any]:
    return lambda found: None if found.states is None else found.states[state]


ALARMS: Columns[Alarm] = {
    "ALARM": lambda alarm: alarm.code,
    "FOR": lambda alarm: age(alarm.since),
    "ABOUT": lambda alarm: alarm.queue or alarm.name,
    "REASON": lambda alarm: alarm.reason,
}
STATES: Columns[Overview] = {state: _of(state) for state in get_args(State)}
FIGURES: Columns[Overview] = {
    "WORKERS": lambda found: found.workers.alive,
    "SLOTS": lambda found: found.workers.slots,
    "OLDEST": lambda found: duration(found.oldest_age_seconds),
    "SUCCEEDED": lambda found: sum(each.succeeded for each in found.throughput),
    "FAILED": lambda found: sum(each.failed for each in found.throughput),
    "WAITED P95": lambda found: duration(found.durations.waiting.p95),
    "RAN P95": lambda found: duration(found.durations.running.p95),
}
ERRORS: Columns[ErrorClass] = {
    "ERROR": lambda each: each.error_class,
    "TASKS": lambda each: each.tasks,
    "NEWEST": lambda each: each.newest_id,
}


def overview(session: Session, period: Back = "1h") -> None:
    """Show what is wrong, and how everything stands."""
    found, output = session.client.overview.get(period=period), session.output
    if output.as_json:
        output.fields(found)
        return
    if found.alarms:
        output.many(found.alarms, ALARMS, len(found.alarms))
    output.one(found, STATES)
    output.one(found, FIGURES)
    if found.errors:
        output.many(found.errors, ERRORS, len(found.errors))
