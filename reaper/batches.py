"""Carries on batches: verbs on more tasks than one request may change."""

from sqlalchemy import Engine

from schema import batches
from schema.runtime.errors import is_transient
from schema.runtime.logging import get_logger
from schema.runtime.stopping import Stopping
from schema.runtime.transactions import CommitUnknownError, run

log = get_logger(__name__)


def carry_on(engine: Engine, stopping: Stopping) -> None:
    """Work on all batches by turns, a page each, until they are through or it is time to stop.

    Any number of reapers may: each page is worked on by one.
    """
    while batch_ids := run(engine, batches.running):
        worked = [_advance(engine, stopping, batch_id) for batch_id in batch_ids]
        if not any(worked):
            return


def _advance(engine: Engine, stopping: Stopping, batch_id: int) -> bool:
    """Work on one page; whether there was anything to do."""
    if stopping.asked.is_set():
        return False
    try:
        status = run(engine, lambda connection: batches.advance(connection, batch_id))
    except Exception as error:
        if is_transient(error) or isinstance(error, CommitUnknownError):
            raise
        log.exception("batch failed", batch_id=batch_id)
        run(engine, lambda connection: batches.give_up(connection, batch_id))
        return True
    if status == "completed":
        log.info("batch completed", batch_id=batch_id)
    return status is not None
