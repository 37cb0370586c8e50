"""`rowlease workers`."""

from typing import Annotated, TypedDict, Unpack, cast

import typer

from rowlease.command_line.commands import Session, command
from rowlease.command_line.output import Columns, age
from rowlease.command_line.parameters import Limit, Names
from rowlease.workers import Worker, WorkerListing

app = typer.Typer(name="workers", help="Who carries out tasks.", no_args_is_help=True)

COLUMNS: Columns[Worker] = {
    "ID": lambda worker: worker.id,
    "STATUS": lambda worker: worker.status,
    "BUSY": lambda worker: f"{worker.busy}/{worker.slots}",
    "STARTED": lambda worker: age(worker.started_at),
    "HEARTBEAT": lambda worker: age(worker.last_heartbeat_at),
    "QUEUES": lambda worker: worker.queues,
}


class Filters(TypedDict, total=False):
    """Options of the list."""

    status: Annotated[
        Names, typer.Option(metavar="<str>", help="alive, draining, stopped, dead. May be repeated")
    ]


@command(app, "list")
def list_workers(session: Session, limit: Limit = 50, **filters: Unpack[Filters]) -> None:
    """List workers, the latest start first."""
    found = session.client.workers.list(**cast("WorkerListing", filters))
    session.output.many(found, COLUMNS, limit)
