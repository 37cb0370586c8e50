"""Writes the progress of running handlers, with the heart's beat."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Engine

from schema import holding
from schema.attempts import Hold, Progress
from schema.runtime.logging import get_logger
from schema.runtime.transactions import is_refused, transaction
from worker.attempt import Attempt

log = get_logger(__name__)


class Reporter:
    """Writes each progress once; what could not be written is written with a later beat."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reported: dict[Hold, Progress] = {}

    def report(self, attempts: Sequence[Attempt]) -> None:
        """Write what is new. Raises an error that passes: nothing is lost by it."""
        told = {each.hold: each.progress for each in attempts if each.progress is not None}
        self._reported = {hold: was for hold, was in self._reported.items() if hold in told}
        new = {hold: now for hold, now in told.items() if self._reported.get(hold) is not now}
        if new:
            self._write(new)

    def _write(self, progress: Mapping[Hold, Progress]) -> None:
        try:
            with transaction(self._engine) as connection:
                written = holding.report(connection, progress)
        except Exception as error:
            if not is_refused(error):
                raise
            self._write_apart(progress, error)
        else:
            self._reported |= {hold: progress[hold] for hold in written}

    def _write_apart(self, progress: Mapping[Hold, Progress], error: Exception) -> None:
        """Find the one that the database refuses, leave it out and write the others."""
        if len(progress) > 1:
            for hold, told in progress.items():
                self._write({hold: told})
            return
        for task_id, _ in progress:
            log.warning("progress cannot be written", task_id=task_id, error=str(error)[:300])
        self._reported |= progress
