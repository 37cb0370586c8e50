"""`rowlease`: what it offers, and how it ends.

Exit codes: 0, 1 (the server refused, or the task did not succeed), 2 (usage), 3 (no server).
"""

import io
import sys

import typer

from rowlease.command_line import (
    batches,
    dispatcher,
    overview,
    queues,
    schedules,
    tasks,
    why,
    workers,
)
from rowlease.command_line.commands import REFUSED, command, take

app = typer.Typer(
    callback=take,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for part in (tasks, queues, schedules, dispatcher, workers, batches):
    app.add_typer(part.app)
command(app, "why")(why.why)
command(app, "overview")(overview.overview)


def main() -> None:
    """Run the command that was given and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="rowlease")
    except Exception as error:  # noqa: BLE001  # people read this, not tracebacks
        sys.stderr.write(f"rowlease: {type(error).__name__}: {error}\n")
        sys.exit(REFUSED)
