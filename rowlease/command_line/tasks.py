"""`rowlease tasks`."""

from typing import Annotated, TypedDict, Unpack, cast

import typer

from rowlease.command_line.commands import REFUSED, Session, command
from rowlease.command_line.output import Columns, age
from rowlease.command_line.parameters import (
    AccountId,
    CallbackUrl,
    Description,
    Limit,
    Names,
    Numbers,
    Payload,
    Priority,
    Queue,
    Reason,
    RetryLimit,
    Tags,
    TaskId,
    TaskType,
    TimeoutSeconds,
    Title,
    page_size,
)
from rowlease.task_fields import NewTask, TaskListing
from rowlease.task_records import TaskSummary

app = typer.Typer(name="tasks", help="Tasks: create, look at, and move them.", no_args_is_help=True)

COLUMNS: Columns[TaskSummary] = {
    "ID": lambda task: task.id,
    "STATUS": lambda task: "stopping" if task.stopping else task.status,
    "PRIO": lambda task: task.priority,
    "QUEUE": lambda task: task.queue,
    "TYPE": lambda task: task.task_type,
    "AGE": lambda task: age(task.created_at),
    "TITLE": lambda task: task.title,
}


class Filters(TypedDict, total=False):
    """Options of the list."""

    status: Annotated[
        Names, typer.Option(metavar="<str>", help="to_do, in_progress, done ... May be repeated")
    ]
    priority: Annotated[
        Names, typer.Option(metavar="<str>", help="high, medium, low. May be repeated")
    ]
    tag: Annotated[Names, typer.Option(metavar="<str>", help="May be repeated")]
    queue: Annotated[Names, typer.Option(metavar="<str>", help="May be repeated")]
    task_type: Annotated[Names, typer.Option(metavar="<str>", help="May be repeated")]
    account_id: Annotated[Names, typer.Option(metavar="<str>", help="May be repeated")]
    error_class: Annotated[Names, typer.Option(metavar="<str>", help="May be repeated")]
    schedule_id: Annotated[Numbers, typer.Option(metavar="<int>", help="May be repeated")]
    batch_id: Annotated[Numbers, typer.Option(metavar="<int>", help="May be repeated")]
    callback_of: Annotated[
        Numbers, typer.Option(metavar="<int>", help="Callbacks of these tasks. May be repeated")
    ]
    state: Annotated[
        Names, typer.Option(metavar="<str>", help="READY, RUNNING, SUCCESS ... May be repeated")
    ]
    tag_match: Annotated[str, typer.Option(help="any (the default) or all of the tags")]
    q: Annotated[str, typer.Option("--q", help="A number, or what the title begins with")]
    created_after: Annotated[str, typer.Option(help="2031-01-31T08:00:00Z, or later")]
    created_before: Annotated[str, typer.Option(help="Before 2031-01-31T08:00:00Z")]
    overdue: Annotated[bool, typer.Option(help="Whether its due date has passed")]


class _Required(TypedDict):
    title: Title


class Creation(_Required, total=False):
    """Options of a new task."""

    queue: Queue
    task_type: TaskType
    payload: Payload
    priority: Priority
    tags: Tags
    description: Description
    due_date: Annotated[str, typer.Option(help="Informs; does not schedule")]
    available_at: Annotated[str, typer.Option(help="Not to be started before")]
    timeout_seconds: TimeoutSeconds
    retry_limit: RetryLimit
    account_id: AccountId
    callback_url: CallbackUrl
    unique_key: Annotated[str, typer.Option(help="At most one unfinished task has it")]
    hold: Annotated[bool, typer.Option("--hold", help="Create it paused")]


@command(app, "list")
def list_tasks(session: Session, limit: Limit = 50, **filters: Unpack[Filters]) -> None:
    """List tasks, newest first."""
    wanted = cast("TaskListing", filters)
    wanted["limit"] = page_size(limit)
    session.output.many(session.client.tasks.list(**wanted), COLUMNS, limit)


@command(app, "show")
def show(session: Session, task_id: TaskId) -> None:
    """Show a task with its payload and result."""
    session.output.fields(session.client.tasks.get(task_id))


@command(app, "create")
def create(session: Session, **fields: Unpack[Creation]) -> None:
    """Create a task."""
    session.output.one(session.client.tasks.create(**cast("NewTask", fields)), COLUMNS)


@command(app, "start")
def start(session: Session, task_id: TaskId, reason: Reason = None) -> None:
    """Let a paused, failed or cancelled task begin anew."""
    session.output.one(session.client.tasks.start(task_id, reason=reason), COLUMNS)


@command(app, "stop")
def stop(session: Session, task_id: TaskId, reason: Reason = None) -> None:
    """Cancel a task; one that runs is told to end."""
    session.output.one(session.client.tasks.stop(task_id, reason=reason), COLUMNS)


@command(app, "pause")
def pause(session: Session, task_id: TaskId, reason: Reason = None) -> None:
    """Let a waiting task wait until it is resumed."""
    session.output.one(session.client.tasks.pause(task_id, reason=reason), COLUMNS)


@command(app, "resume")
def resume(session: Session, task_id: TaskId, reason: Reason = None) -> None:
    """Let a paused task wait in its old place again."""
    session.output.one(session.client.tasks.resume(task_id, reason=reason), COLUMNS)


@command(app, "delete")
def delete(session: Session, task_id: TaskId) -> None:
    """Delete a task, also while it runs."""
    session.client.tasks.delete(task_id)
    session.output.done(f"Task {task_id} is deleted.")


@command(app, "wait")
def wait(
    session: Session,
    task_id: TaskId,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds; without it, for ever")
    ] = None,
) -> None:
    """Wait until a task has ended; exit code 0 says that it is done."""
    task = session.client.tasks.wait(task_id, timeout)
    session.output.one(task, COLUMNS)
    if task.status != "done":
        because = f": {task.last_error}" if task.last_error else ""
        typer.echo(f"rowlease: task {task_id} is {task.status}{because}", err=True)
        raise typer.Exit(REFUSED)
