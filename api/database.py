"""The transactions of requests: one each, with a time limit, committed before the answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from copy import copy
from typing import Annotated, Any, Self, TypeVar

from fastapi import Depends
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn
from starlette.requests import Request
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from api.availability import Availability, Unavailable
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.changes import listen
from schema.runtime.engine import create_asyncio_engine
from schema.runtime.errors import (
    CONFLICT,
    MISSING_DATABASE,
    MISSING_TABLE,
    error_code,
    is_transient,
)
from schema.runtime.notices import Publisher
from schema.runtime.transactions import CommitUnknownError, commit

T = TypeVar("T")

Around = Callable[[Connection, Callable[[Connection], Any]], Any]
"""What does the work of a write, in its transaction."""

DEADLINE_SECONDS = 4.0
"""No request waits longer for the database, its repetitions included."""

SECOND_CHANCE_SECONDS = 0.3
"""When a limit is cancelled once more: `asyncio.wait_for`, which asyncmy connects by, can lose a
cancellation before Python 3.12 (bpo-37658), and the request would wait for its row's lock."""

KEY_SECONDS = 2
"""How long a request waits for the first one with its Idempotency-Key: less than the deadline."""

FIRST_LOOK_SECONDS = 2.0

TELLING_SECONDS = 0.045
"""How long an answer waits until others can hear of the change."""

_AGAIN = AsyncRetrying(
    stop=stop_after_attempt(4),
    wait=wait_random_exponential(multiplier=0.02, max=0.5),
    reraise=True,
)


class Database:
    """Runs the schema's functions for requests.

    `work` is called with a connection, in one transaction; after a passing error it is called
    again in a new one, as long as no COMMIT was sent. Raises Problem (503) when the database
    cannot be used, or when nobody knows whether a COMMIT was taken.
    """

    def __init__(
        self,
        readers: AsyncEngine,
        writers: AsyncEngine,
        keyed: AsyncEngine,
        availability: Availability,
    ) -> None:
        self._readers = readers
        self._writers = writers
        self._keyed = keyed
        self._around: Around | None = None
        self._publisher: Publisher | None = None
        self.availability = availability

    def announce(self, publisher: Publisher) -> None:
        """Have changes told before the request that made them is answered."""
        self._publisher = publisher
        for engine in (self._writers, self._keyed):
            listen(engine.sync_engine, publisher.put)

    def around(self, around: Around) -> Self:
        """Return this database for a request that may wait for another one to end.

        `around` is called for each write in place of its work, which it may do.
        """
        other = copy(self)
        other._writers, other._around = self._keyed, around  # noqa: SLF001  # its own
        return other

    @property
    def is_keyed(self) -> bool:
        """Whether this one serves a request that may wait for another one to end."""
        return self._around is not None

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` reads."""
        return await self._run(self._readers, work, lambda: "database_slow")

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, once its changes are committed."""
        committing = False

        def committed(connection: Connection) -> T:
            nonlocal committing
            committing = False
            around = self._around
            result: T = work(connection) if around is None else around(connection, work)
            committing = True
            commit(connection)
            return result

        result = await self._run(
            self._writers,
            committed,
            lambda: "outcome_unknown" if committing else "database_slow",
        )
        await self._told()
        return result

    async def _told(self) -> None:
        """Let a client that has its answer read its own change."""
        if self._publisher is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(TELLING_SECONDS):
                    await self._publisher.flushed()

    async def _run(
        self, engine: AsyncEngine, work: Callable[[Connection], T], when_late: Callable[[], str]
    ) -> T:
        self.availability.require()
        limit = asyncio.timeout(DEADLINE_SECONDS)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS + SECOND_CHANCE_SECONDS), limit:
                return await _repeated(engine, work, limit)
        except CommitUnknownError:
            self.availability.suspect()
            raise Unavailable("outcome_unknown") from None
        except (SQLAlchemyError, OSError) as error:
            if not limit.expired():
                raise self._refusal(error) from error
            self.availability.suspect()
            raise Unavailable(when_late()) from None

    def _refusal(self, error: Exception) -> Exception:
        code = error_code(error)
        if code in CONFLICT or isinstance(error, PoolTimeoutError):
            return Unavailable("database_busy")
        if code in {MISSING_TABLE, MISSING_DATABASE}:
            self.availability.suspect()
            return Unavailable("database_not_migrated")
        if is_transient(error):
            self.availability.suspect()
            return Unavailable("database_away")
        return error


@asynccontextmanager
async def open_database(address: DatabaseAddress) -> AsyncIterator[Database]:
    """Open the database for this process and watch it until the block ends.

    Waits a moment for the first look at the server; one that is away is waited for behind it.
    """
    writers = create_asyncio_engine(address)
    # Requests that wait for one another must not keep the others from the database.
    keyed = create_asyncio_engine(address, connections=5, lock_seconds=KEY_SECONDS)
    readers = create_asyncio_engine(address, autocommit=True)
    probes = create_asyncio_engine(address, connections=2)
    availability = Availability(probes)
    watch = asyncio.create_task(availability.watch())
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(availability.known(), FIRST_LOOK_SECONDS)
        yield Database(readers, writers, keyed, availability)
    finally:
        await _end(watch)
        for engine in (readers, writers, keyed, probes):
            await engine.dispose()


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task until it has ended: connections can lose a cancellation, see above."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=SECOND_CHANCE_SECONDS)


async def _repeated(
    engine: AsyncEngine, work: Callable[[Connection], T], limit: asyncio.Timeout
) -> T:
    def is_worth_it(error: BaseException) -> bool:
        # A cancelled handshake can end in an error like any other.
        return is_transient(error) and not limit.expired()

    try:
        return await _once(engine, work)  # nearly always enough, and tenacity is not free
    except (SQLAlchemyError, OSError) as error:
        if not is_worth_it(error):
            raise
    return await _AGAIN.copy(retry=retry_if_exception(is_worth_it))(_once, engine, work)


async def _once(engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
    # One greenlet for all of it; an AsyncConnection takes three, and a task to be closed.
    return await greenlet_spawn(_connected, engine.sync_engine, work)


def _connected(engine: Engine, work: Callable[[Connection], T]) -> T:
    with _connection(engine) as connection:
        return work(connection)


def _connection(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except RuntimeError as error:  # of asyncmy, when the server leaves during the handshake
        raise ConnectionResetError(str(error)) from error


async def _database(request: Request) -> Database:
    database: Database = request.scope.get("database") or request.app.state.database
    return database


DatabaseDependency = Annotated[Database, Depends(_database)]
