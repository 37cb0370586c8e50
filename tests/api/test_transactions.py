"""The transactions of requests: repeated where that is safe, whole where they are cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from api.database import Database, open_database
from api.problems import Problem
from schema import listing
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.errors import error_code
from tests.rows import make, rows

T = TypeVar("T")

DEADLOCK = "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found'"
BROKEN = "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1644, MESSAGE_TEXT = 'no'"


@pytest.fixture
def run(engine: Engine, database_url: str) -> Callable[[Callable[[Database], Awaitable[T]]], T]:  # noqa: ARG001
    """Run a coroutine function on an open database."""

    async def opened(use: Callable[[Database], Awaitable[T]]) -> T:
        async with open_database(DatabaseAddress.parse(database_url)) as database:
            return await use(database)

    return lambda use: asyncio.run(opened(use))


class Failing:
    """Work that makes a tag, then fails with `statement` as often as it is told to."""

    def __init__(self, statement: str, times: int) -> None:
        self.statement = statement
        self.times = times
        self.calls = 0

    def __call__(self, connection: Connection) -> int:
        self.calls += 1
        connection.exec_driver_sql(f"INSERT INTO tags (name) VALUES ('call {self.calls}')")
        if self.calls <= self.times:
            connection.exec_driver_sql(self.statement)
        return self.calls


Run = Callable[[Callable[[Database], Awaitable[object]]], object]


def test_a_deadlock_is_done_again_from_the_start(run: Run, engine: Engine) -> None:
    work = Failing(DEADLOCK, times=2)

    assert run(lambda database: database.write(work)) == 3
    assert rows(engine, "SELECT name FROM tags") == [{"name": "call 3"}]


def test_a_deadlock_without_end_is_a_503(run: Run, engine: Engine) -> None:
    work = Failing(DEADLOCK, times=1_000)

    with pytest.raises(Problem) as refused:
        run(lambda database: database.write(work))

    assert (refused.value.status_code, refused.value.code) == (503, "database_busy")
    assert 2 < work.calls < 10
    assert rows(engine, "SELECT name FROM tags") == []


def test_any_other_error_is_not_repeated(run: Run, engine: Engine) -> None:
    work = Failing(BROKEN, times=1)

    with pytest.raises(DBAPIError) as raised:
        run(lambda database: database.write(work))

    assert (error_code(raised.value), work.calls) == (1644, 1)
    assert rows(engine, "SELECT name FROM tags") == []


def test_what_a_refused_request_did_is_undone(run: Run, engine: Engine) -> None:
    def refuse(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO tags (name) VALUES ('x')")
        raise Problem(404, "not_found")

    async def use(database: Database) -> None:
        for _ in range(20):  # more than there are connections
            with pytest.raises(Problem):
                await database.write(refuse)

    run(use)
    assert rows(engine, "SELECT name FROM tags") == []


def test_a_write_is_committed_when_it_returns(run: Run, engine: Engine) -> None:
    async def use(database: Database) -> list[dict[str, object]]:
        await database.write(Failing(BROKEN, times=0))
        return rows(engine, "SELECT name FROM tags")

    assert run(use) == [{"name": "call 1"}]


def test_a_server_that_leaves_during_the_handshake_is_tried_again(run: Run, engine: Engine) -> None:
    (task_id,) = make(engine)
    failures = [RuntimeError("Transport does not expose socket instance")]

    def fail_once(*_arguments: object) -> None:
        if failures:
            raise failures.pop()

    async def use(database: Database) -> object:
        event.listen(database._readers.sync_engine, "do_connect", fail_once)
        return await database.read(lambda connection: listing.find(connection, task_id))

    assert run(use)
    assert not failures


def test_a_thousand_cancelled_requests_leave_every_reader_its_own_row(
    run: Run, engine: Engine
) -> None:
    ids = make(engine, 50)

    async def read(database: Database, task_id: int) -> int:
        task = await database.read(lambda connection: listing.find(connection, task_id))
        return task["id"] if task else 0

    async def write(database: Database, task_id: int) -> int:
        task = await database.write(lambda connection: listing.find(connection, task_id))
        return task["id"] if task else 0

    async def use(database: Database) -> None:
        for round_number in range(20):
            tasks = [
                asyncio.create_task((read, write)[number % 2](database, ids[number]))
                for number in range(50)
            ]
            # Each round is cut off a little later: at the connect, in the statement, after it.
            for _ in range(round_number):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

            assert await asyncio.gather(*(read(database, task_id) for task_id in ids)) == ids
        assert await asyncio.gather(*(write(database, task_id) for task_id in ids)) == ids

    run(use)
