"""Takes away stored answers to repeated requests when their day is over, page by page."""

from sqlalchemy import Engine

from schema import idempotency
from schema.runtime.transactions import run

PRUNE_SECONDS = 60.0
"""How often it is looked for them."""

PAGE = 500
MOST_PAGES = 100
"""Pages before it is somebody else's turn; what is left has time."""


def prune_answers(engine: Engine) -> None:
    """Take them away, each page in a transaction of its own. Any number of reapers may."""
    for _ in range(MOST_PAGES):
        if run(engine, lambda connection: idempotency.prune(connection, PAGE)) < PAGE:
            return
