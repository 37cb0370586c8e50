"""The sweep: expires leases that are over."""

from sqlalchemy import Connection, Engine

from schema.endings import Backoff
from schema.leases import expire, overdue
from schema.runtime.logging import get_logger
from schema.runtime.transactions import run

log = get_logger(__name__)

PAGE = 500


def sweep(engine: Engine, backoff: Backoff) -> None:
    """Expire what is overdue, page by page, each in a transaction of its own.

    A short page is the last one. A page of which nothing was expired ends it too: another
    reaper is at it.
    """
    total = 0
    while True:
        found, expired = run(engine, lambda connection: _expire_page(connection, backoff))
        total += expired
        if found < PAGE or expired == 0:
            break
    if total:
        log.info("leases expired", count=total)


def _expire_page(connection: Connection, backoff: Backoff) -> tuple[int, int]:
    ids = overdue(connection, limit=PAGE)
    return len(ids), expire(connection, ids, backoff)
