"""`rowlease batches`."""

import typer

from rowlease.batches import BatchSummary
from rowlease.command_line.commands import Session, command
from rowlease.command_line.output import Columns, age
from rowlease.command_line.parameters import BatchId, Limit, page_size

app = typer.Typer(
    name="batches", help="Verbs on many tasks, in the background.", no_args_is_help=True
)

COLUMNS: Columns[BatchSummary] = {
    "ID": lambda batch: batch.id,
    "VERB": lambda batch: batch.verb,
    "STATUS": lambda batch: batch.status,
    "DONE": lambda batch: batch.requested,
    "REFUSED": lambda batch: batch.requested - batch.succeeded,
    "AGE": lambda batch: age(batch.created_at),
    "FILTER": lambda batch: batch.filter,
}


@command(app, "list")
def list_batches(session: Session, limit: Limit = 50) -> None:
    """List batches, the newest first; their numbers are of what was worked on so far."""
    session.output.many(session.client.batches.list(limit=page_size(limit)), COLUMNS, limit)


@command(app, "show")
def show(session: Session, batch_id: BatchId) -> None:
    """Show a batch, with what was refused."""
    session.output.fields(session.client.batches.get(batch_id))
