"""Fires the schedules that are due, page by page."""

from collections.abc import Sequence

from sqlalchemy import Engine

from schema import firing
from schema.firing import Fired
from schema.runtime.errors import is_transient
from schema.runtime.logging import get_logger
from schema.runtime.transactions import CommitUnknownError, run

log = get_logger(__name__)

FIRING_SECONDS = 0.25
"""How often it is looked for schedules that are due: one read of an index."""

PAGE = 200
MOST_PAGES = 20
"""Pages before others have their turn: what was missed may be much."""


def fire(engine: Engine) -> None:
    """Fire what is due, each page in a transaction of its own.

    A page of which nothing was fired ends it: another reaper is at it.
    """
    for _ in range(MOST_PAGES):
        ids = run(engine, lambda connection: firing.due(connection, PAGE))
        fired = _fire_page(engine, ids) if ids else []
        _tell(fired)
        if not fired:
            return


def _fire_page(engine: Engine, ids: Sequence[int]) -> list[Fired]:
    """Fire a page; where it meets an error that will not pass, each schedule by itself."""
    try:
        return run(engine, lambda connection: firing.fire(connection, ids))
    except Exception as error:
        if is_transient(error) or isinstance(error, CommitUnknownError):
            raise
        if len(ids) > 1:
            return [fired for each in ids for fired in _fire_page(engine, [each])]
        trouble = f"{type(error).__name__}: {error}"
        return run(engine, lambda connection: firing.pass_over(connection, ids[0], trouble))


def _tell(fired: Sequence[Fired]) -> None:
    for each in fired:
        if each.trouble is not None:
            log.error("schedule cannot fire", schedule_id=each.schedule_id, reason=each.trouble)
    if count := sum(each.task_id is not None for each in fired):
        log.info("schedules fired", count=count)
