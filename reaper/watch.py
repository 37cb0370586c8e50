"""Watches what slows queues on MySQL down, and warns once when it begins."""

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from schema import pressure
from schema.doctor import NOT_ALLOWED
from schema.pressure import Pressure
from schema.runtime.errors import error_code
from schema.runtime.logging import get_logger
from schema.runtime.transactions import run

log = get_logger(__name__)

WATCH_SECONDS = 15.0


class Watch:
    """A chore with a memory: it warns of the same thing once, and says when it is over."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._may_look = True
        self._warned_of: int | None = None
        self._is_long = False

    def __call__(self) -> None:
        """Look, if the user may."""
        if not self._may_look:
            return
        try:
            found = run(self._engine, pressure.look)
        except DBAPIError as error:
            if error_code(error) not in NOT_ALLOWED:
                raise
            self._may_look = False
            log.info("the purge is not watched: the user has not PROCESS")
        else:
            self._tell_snapshot(found)
            self._tell_history(found)
            # After the warnings: whom they are of may hold what this waits for.
            run(self._engine, lambda connection: pressure.note(connection, found))

    def _tell_snapshot(self, found: Pressure) -> None:
        thread = None if found.old is None else found.old.thread
        if thread == self._warned_of:
            return
        if found.old is not None:
            log.warning(
                "a transaction that has been open for long holds up the purge: claims get slower",
                thread=thread,
                user=found.old.user,
                host=found.old.host,
                seconds=found.old.seconds,
            )
        else:
            log.info("no transaction holds up the purge any more")
        self._warned_of = thread

    def _tell_history(self, found: Pressure) -> None:
        if found.is_long == self._is_long:
            return
        if found.is_long:
            log.warning("the purge is behind: claims get slower", row_versions=found.history)
        else:
            log.info("the purge has caught up", row_versions=found.history)
        self._is_long = found.is_long
