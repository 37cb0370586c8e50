"""Tasks that are asked for at the same time, created in one transaction.

While one transaction is under way, what comes in waits for it, and is the next one: a busy
process makes one round trip and one COMMIT for many tasks, an idle one keeps nobody waiting.
What may have to wait for the rows of others, keys and tags, has a transaction of its own.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.responses import Response

from api.availability import Unavailable
from api.database import DEADLINE_SECONDS, Database
from api.gathering import Gathered
from api.refusals import found, full_queues, key_taken, require_room
from api.task_json import TaskResponse
from schema import tasks
from schema.new_task import NewTask
from schema.tasks import Placed

WAITING_SECONDS = DEADLINE_SECONDS + 0.5
"""How long a request waits for another's transaction and its own."""


MOST_WAITING = 1_000
"""Tasks that wait in memory, 256 KiB each at most: more are refused."""


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """A task that somebody asked for; `prefix` begins the path to what is created."""

    new: NewTask
    prefix: str


Outcome = Response | Exception
"""What somebody who asked for a task is told."""


class Creations:
    """Creates the tasks of requests."""

    def __init__(self, database: Database, max_queue_depth: int | None) -> None:
        self._database = database
        self._most = max_queue_depth
        self._gathered: Gathered[Wanted, Outcome] = Gathered(self._create_all)

    async def create(self, wanted: Wanted, database: Database) -> Response:
        """Create a task and answer for it; raises Problem when it is refused."""
        if database.is_keyed or wanted.new.unique_key is not None or wanted.new.tags:
            return await self._create_alone(wanted, database)
        if self._gathered.backlog >= MOST_WAITING:
            raise Unavailable("database_busy")
        try:
            async with asyncio.timeout(WAITING_SECONDS):
                outcome = await self._gathered.ask(wanted)
        except TimeoutError:
            raise Unavailable("outcome_unknown") from None
        return _or_raised(outcome or Unavailable("outcome_unknown"))

    async def _create_alone(self, wanted: Wanted, database: Database) -> Response:
        def work(connection: Connection) -> Response:
            [outcome] = self._created(connection, [wanted])
            return _or_raised(outcome)

        return await database.write(work)

    async def _create_all(self, wanted: Sequence[Wanted]) -> Sequence[Outcome]:
        try:
            return await self._database.write(lambda connection: self._created(connection, wanted))
        except Exception as error:  # noqa: BLE001  # told to whom it concerns
            if len(wanted) == 1 or isinstance(error, Unavailable):
                return [error] * len(wanted)
            middle = len(wanted) // 2
            halves = wanted[:middle], wanted[middle:]
            return [outcome for half in halves for outcome in await self._create_all(half)]

    def _created(self, connection: Connection, wanted: Sequence[Wanted]) -> Sequence[Outcome]:
        queues = [each.new.queue for each in wanted]
        full = full_queues(connection, self._most, queues) if len(wanted) > 1 else {}
        taken = [each for each in wanted if each.new.queue not in full]
        require_room(connection, self._most, [each.new.queue for each in taken])
        placed = iter(tasks.place(connection, [each.new for each in taken]))
        return [
            full.get(each.new.queue) or _told(connection, each, next(placed)) for each in wanted
        ]


def _or_raised(outcome: Outcome) -> Response:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _told(connection: Connection, wanted: Wanted, placed: Placed) -> Outcome:
    if placed.refused(wanted.new):
        return key_taken(placed.task_id)
    location = {"location": f"{wanted.prefix}/tasks/{placed.task_id}"}
    if placed.is_new:
        return TaskResponse(placed.made_whole(wanted.new), 201, location)
    return TaskResponse(found(connection, placed.task_id), 200, location)
