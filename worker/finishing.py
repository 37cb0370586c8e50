"""When a worker that is to end by itself has done its part: `--once` and `--drain`."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine

from schema import remaining
from schema.queue_choice import QueueChoice
from schema.runtime.outage import Outage


@dataclass(slots=True)
class Part:
    """The share of the work that a worker can do: some queues, some types of task.

    Its methods say whether that is done. An outage of the database is no answer: then it is not.
    """

    engine: Engine
    queues: QueueChoice
    task_types: Collection[str]
    _since: datetime | None = field(default=None, init=False)
    _outage: Outage = field(default_factory=lambda: Outage("looking for work"), init=False)

    def is_passed(self) -> bool:
        """Whether no task waits any more that was due when this was asked for the first time."""
        return self._is_empty(self._with_due)

    def is_drained(self) -> bool:
        """Whether no task waits, due or not, and none is in progress, here or elsewhere."""
        return self._is_empty(self._with_unfinished)

    def _is_empty(self, queues_with: Callable[[Connection], Sequence[str]]) -> bool:
        try:
            with self.engine.connect() as connection:
                names = queues_with(connection)
        except Exception as error:  # noqa: BLE001  # wait_after raises what waiting cannot mend
            self._outage.wait_after(error)
            return False
        self._outage.over()
        return not self.queues.ordered(names)

    def _with_due(self, connection: Connection) -> Sequence[str]:
        if self._since is None:
            self._since = remaining.now(connection)
        return remaining.queues_with_due(connection, self.task_types, self._since)

    def _with_unfinished(self, connection: Connection) -> Sequence[str]:
        return remaining.queues_with_unfinished(connection, self.task_types)
