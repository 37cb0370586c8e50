"""The burial: calls silent workers dead, and takes back their leases at once."""

from functools import partial

from sqlalchemy import Connection, Engine

from reaper.continuity import Continuity
from reaper.sweep import end_all
from schema import workers
from schema.endings import Backoff
from schema.leases import expire, orphaned
from schema.runtime.logging import get_logger
from schema.runtime.metrics import EXPIRED
from schema.runtime.transactions import run

log = get_logger(__name__)


class Burial:
    """A chore with a memory: an outage of the database kills nobody."""

    def __init__(self, engine: Engine, backoff: Backoff, dead_seconds: float) -> None:
        self._engine = engine
        self._expire = partial(expire, backoff=backoff)
        self._dead_seconds = dead_seconds
        self._continuity = Continuity(dead_seconds / 3)

    def __call__(self) -> None:
        """Bury the dead, then expire what workers that are gone still hold."""
        for worker_id in run(self._engine, self._bury):
            log.warning("worker is dead", worker_id=worker_id)
        if total := end_all(self._engine, orphaned, self._expire):
            log.info("leases of gone workers expired", count=total)
            EXPIRED.labels("worker").inc(total)

    def _bury(self, connection: Connection) -> list[str]:
        try:
            if self._continuity.look(connection) < self._dead_seconds:
                return []
            return workers.bury(connection, dead_seconds=self._dead_seconds)
        except Exception:
            self._continuity.broke()
            raise
