"""Resumes queues whose pause is over."""

from sqlalchemy import Engine

from schema import queues
from schema.runtime.logging import get_logger
from schema.runtime.transactions import run

log = get_logger(__name__)


def resume(engine: Engine) -> None:
    """Resume them; the claim takes them already, this is for whoever looks."""
    if count := run(engine, queues.resume_due):
        log.info("queues resumed", count=count)
