"""`rowlease queues`."""

from typing import Annotated

import typer

from rowlease.command_line.commands import Session, command
from rowlease.command_line.output import Columns, duration
from rowlease.command_line.parameters import Limit, QueueName, Reason, page_size
from rowlease.queues import Queue

app = typer.Typer(name="queues", help="Queues: limits and pauses.", no_args_is_help=True)


def _rate(queue: Queue) -> str | None:
    """Return how many may start in which time."""
    if queue.rate_limit is None:
        return None
    return f"{queue.rate_limit}/{queue.rate_period_seconds}s"


COLUMNS: Columns[Queue] = {
    "NAME": lambda queue: queue.name,
    "PAUSED": lambda queue: queue.is_paused,
    "WAITING": lambda queue: queue.depth,
    "OLDEST": lambda queue: duration(queue.oldest_age_seconds),
    "RUNNING": lambda queue: queue.in_progress,
    "LIMIT": lambda queue: queue.max_concurrency,
    "RATE": _rate,
}


@command(app, "list")
def list_queues(session: Session, limit: Limit = 50) -> None:
    """List queues by their names."""
    session.output.many(session.client.queues.list(limit=page_size(limit)), COLUMNS, limit)


@command(app, "show")
def show(session: Session, name: QueueName) -> None:
    """Show a queue."""
    session.output.fields(session.client.queues.get(name))


@command(app, "pause")
def pause(
    session: Session,
    name: QueueName,
    reason: Reason = None,
    seconds: Annotated[int | None, typer.Option(help="After these it resumes by itself")] = None,
) -> None:
    """Let nothing more of a queue be claimed; what runs may finish."""
    session.output.one(session.client.queues.pause(name, reason=reason, seconds=seconds), COLUMNS)


@command(app, "resume")
def resume(session: Session, name: QueueName, reason: Reason = None) -> None:
    """Let a queue be claimed from again."""
    session.output.one(session.client.queues.resume(name, reason=reason), COLUMNS)
