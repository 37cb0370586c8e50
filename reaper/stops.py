"""Ends stops that nobody heeds: the worker lives, but its handler does not let go."""

from functools import partial

from sqlalchemy import Connection, Engine

from reaper.continuity import Continuity
from reaper.sweep import end_all
from schema import leases
from schema.endings import Backoff
from schema.runtime.logging import get_logger
from schema.runtime.transactions import run

log = get_logger(__name__)


class Stops:
    """A chore with a memory: who could not reach the database could not heed a stop either."""

    def __init__(self, engine: Engine, backoff: Backoff, grace_seconds: float) -> None:
        self._engine = engine
        self._grace_seconds = grace_seconds
        self._find = partial(leases.unheeded, grace_seconds=grace_seconds)
        self._end = partial(leases.cancel, backoff=backoff, grace_seconds=grace_seconds)
        self._continuity = Continuity()

    def __call__(self) -> None:
        """Cancel what was asked to stop for longer than the grace."""
        if run(self._engine, self._look) < self._grace_seconds:
            return
        if total := end_all(self._engine, self._find, self._end):
            log.warning("stops that no worker heeded were ended", count=total)

    def _look(self, connection: Connection) -> float:
        try:
            return self._continuity.look(connection)
        except Exception:
            self._continuity.broke()
            raise
