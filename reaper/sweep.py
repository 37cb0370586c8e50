"""The sweep: expires leases, page by page."""

from collections.abc import Callable

from sqlalchemy import Connection, Engine

from schema import leases
from schema.endings import Backoff
from schema.runtime.logging import get_logger
from schema.runtime.transactions import run

log = get_logger(__name__)

PAGE = 500

Find = Callable[[Connection, int], list[int]]


def sweep(engine: Engine, backoff: Backoff) -> None:
    """Expire the leases that are over."""
    if total := expire_all(engine, backoff, leases.overdue):
        log.info("leases expired", count=total)


def expire_all(engine: Engine, backoff: Backoff, find: Find) -> int:
    """Expire what `find` finds, each page in a transaction of its own; return how many.

    A short page is the last one. A page of which nothing was expired ends it too: another
    reaper is at it.
    """

    def expire_page(connection: Connection) -> tuple[int, int]:
        ids = find(connection, PAGE)
        return len(ids), leases.expire(connection, ids, backoff)

    total = 0
    while True:
        found, expired = run(engine, expire_page)
        total += expired
        if found < PAGE or expired == 0:
            return total
