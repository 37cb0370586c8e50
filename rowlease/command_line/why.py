"""`rowlease why`."""

import typer

from rowlease.command_line.commands import Session
from rowlease.command_line.output import cell
from rowlease.command_line.parameters import TaskId


def why(session: Session, task_id: TaskId) -> None:
    """Say why a task is not running, and what to do about it."""
    found = session.client.tasks.why(task_id)
    if session.output.as_json:
        session.output.fields(found)
        return
    for reason in found.reasons:
        typer.echo(cell(reason.detail))
        typer.echo(f"  -> {cell(reason.remedy)}")
