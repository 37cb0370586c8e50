"""`rowlease schedules`."""

from typing import Annotated, Any, TypedDict, Unpack, cast

import typer

from rowlease.command_line import tasks
from rowlease.command_line.commands import Session, command
from rowlease.command_line.output import Columns
from rowlease.command_line.parameters import (
    AccountId,
    CallbackUrl,
    Description,
    Limit,
    Names,
    Payload,
    Priority,
    Queue,
    RetryLimit,
    ScheduleId,
    Tags,
    TaskType,
    TimeoutSeconds,
    Title,
    page_size,
    read_json,
)
from rowlease.schedules import NewSchedule, ScheduleListing, ScheduleSummary

app = typer.Typer(name="schedules", help="Recurring schedules.", no_args_is_help=True)

COLUMNS: Columns[ScheduleSummary] = {
    "ID": lambda schedule: schedule.id,
    "STATUS": lambda schedule: schedule.status,
    "RUNS": lambda schedule: schedule.cron or f"every {schedule.interval} s",
    "NEXT (UTC)": lambda schedule: schedule.next_execution_time,
    "ROUNDS": lambda schedule: schedule.round_num,
    "NAME": lambda schedule: schedule.name,
}


class Filters(TypedDict, total=False):
    """Options of the list."""

    status: Annotated[
        Names, typer.Option(metavar="<str>", help="active, paused, completed. May be repeated")
    ]
    queue: Annotated[Names, typer.Option(metavar="<str>", help="May be repeated")]
    task_type: Annotated[Names, typer.Option(metavar="<str>", help="May be repeated")]
    account_id: Annotated[Names, typer.Option(metavar="<str>", help="May be repeated")]


class Creation(TypedDict, total=False):
    """Options of a new schedule; a name or a title is needed."""

    name: Annotated[str, typer.Option(help="What it is called; left out, it is the title")]
    title: Title
    interval: Annotated[int, typer.Option(help="Seconds from one run to the next")]
    cron: Annotated[str, typer.Option(help='Instead of an interval: "0 9 * * 1-5"')]
    timezone: Annotated[str, typer.Option(help="IANA name, such as Asia/Shanghai")]
    valid_time_range: Annotated[
        Any,
        typer.Option(parser=read_json, metavar="JSON", help="[8, 22]; null is all day"),
    ]
    start_at: Annotated[str, typer.Option(help="It does not run before")]
    task_end_time: Annotated[str, typer.Option(help="The day on which it is completed")]
    max_rounds: Annotated[int, typer.Option(help="Completed after so many rounds")]
    overlap: Annotated[str, typer.Option(help="skip, queue or replace")]
    misfire: Annotated[str, typer.Option(help="once, all or skip")]
    unique: Annotated[bool, typer.Option(help="The only live one of its type and account")]
    queue: Queue
    task_type: TaskType
    payload: Payload
    priority: Priority
    tags: Tags
    description: Description
    timeout_seconds: TimeoutSeconds
    retry_limit: RetryLimit
    account_id: AccountId
    callback_url: CallbackUrl


@command(app, "list")
def list_schedules(session: Session, limit: Limit = 50, **filters: Unpack[Filters]) -> None:
    """List schedules, newest first."""
    wanted = cast("ScheduleListing", filters)
    wanted["limit"] = page_size(limit)
    session.output.many(session.client.schedules.list(**wanted), COLUMNS, limit)


@command(app, "show")
def show(session: Session, schedule_id: ScheduleId) -> None:
    """Show a schedule with its payload."""
    session.output.fields(session.client.schedules.get(schedule_id))


@command(app, "create")
def create(session: Session, **fields: Unpack[Creation]) -> None:
    """Create a schedule: with --interval or --cron, else every hour from 8 to 22."""
    session.output.one(session.client.schedules.create(**cast("NewSchedule", fields)), COLUMNS)


@command(app, "pause")
def pause(session: Session, schedule_id: ScheduleId) -> None:
    """Let a schedule not run until it is resumed."""
    session.output.one(session.client.schedules.pause(schedule_id), COLUMNS)


@command(app, "resume")
def resume(session: Session, schedule_id: ScheduleId) -> None:
    """Let a schedule run again."""
    session.output.one(session.client.schedules.resume(schedule_id), COLUMNS)


@command(app, "run")
def run(session: Session, schedule_id: ScheduleId) -> None:
    """Make a task of a schedule now, and show it."""
    session.output.one(session.client.schedules.run(schedule_id), tasks.COLUMNS)


@command(app, "delete")
def delete(session: Session, schedule_id: ScheduleId) -> None:
    """Delete a schedule; the tasks that it made stay."""
    session.client.schedules.delete(schedule_id)
    session.output.done(f"Schedule {schedule_id} is deleted.")
