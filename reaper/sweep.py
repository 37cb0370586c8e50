"""The sweep: expires leases, page by page."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, Engine

from schema import leases
from schema.endings import Backoff
from schema.runtime.logging import get_logger
from schema.runtime.metrics import EXPIRED
from schema.runtime.transactions import run

log = get_logger(__name__)

PAGE = 500

Find = Callable[[Connection, int], list[int]]
End = Callable[[Connection, list[int]], int]


def sweep(engine: Engine, backoff: Backoff) -> None:
    """Expire the leases that are over."""
    if total := end_all(engine, leases.overdue, partial(leases.expire, backoff=backoff)):
        log.info("leases expired", count=total)
        EXPIRED.labels("over").inc(total)


def end_all(engine: Engine, find: Find, end: End) -> int:
    """End leases that `find` finds, each page in a transaction of its own; return how many.

    A short page is the last one. A page of which none was ended ends it too: another reaper is
    at it.
    """

    def end_page(connection: Connection) -> tuple[int, int]:
        ids = find(connection, PAGE)
        return len(ids), end(connection, ids)

    total = 0
    while True:
        found, ended = run(engine, end_page)
        total += ended
        if found < PAGE or ended == 0:
            return total
