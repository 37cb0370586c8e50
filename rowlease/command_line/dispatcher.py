"""`rowlease dispatcher`."""

import typer

from rowlease.command_line.commands import Session, command
from rowlease.command_line.parameters import Reason

app = typer.Typer(
    name="dispatcher", help="The switch over everything that is claimed.", no_args_is_help=True
)


@command(app, "status")
def status(session: Session) -> None:
    """Show whether it runs, and how many tasks there are."""
    session.output.fields(session.client.dispatcher.status())


@command(app, "start")
def start(session: Session, reason: Reason = None) -> None:
    """Let workers claim again."""
    session.output.fields(session.client.dispatcher.start(reason=reason))


@command(app, "stop")
def stop(session: Session, reason: Reason = None) -> None:
    """Let nothing more be claimed anywhere until it is started again."""
    session.output.fields(session.client.dispatcher.stop(reason=reason))
