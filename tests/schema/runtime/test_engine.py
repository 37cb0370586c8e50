"""Sessions force what they need, whatever the server's defaults are."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_asyncio_engine, create_thread_engine
from tools.servers import Database

BROKEN = {
    "sql_mode": "''",
    "time_zone": "'+09:00'",
    "character_set_server": "latin1",
    "collation_connection": "latin1_swedish_ci",
    "innodb_lock_wait_timeout": "50",
    "wait_timeout": "28800",
    "autocommit": "0",
}

WANTED = {
    "time_zone": "+00:00",
    "character_set_client": "utf8mb4",
    "collation_connection": "utf8mb4_bin",
    "innodb_lock_wait_timeout": 5,
    "wait_timeout": 30,
}


@pytest.fixture
def broken_defaults(engine: Engine, server: Database) -> Iterator[str]:
    """The name of the isolation variable of a server whose defaults are all wrong."""
    isolation = "transaction_isolation" if server.kind == "mysql" else "tx_isolation"
    wrong = {**BROKEN, isolation: "'SERIALIZABLE'"}
    with engine.connect() as connection:
        before = {
            name: connection.exec_driver_sql(f"SELECT @@GLOBAL.{name}").scalar_one()
            for name in wrong
        }
        for name, value in wrong.items():
            connection.exec_driver_sql(f"SET GLOBAL {name} = {value}")
        yield isolation
        for name, value in before.items():
            quoted = value if isinstance(value, int) else f"'{value}'"
            connection.exec_driver_sql(f"SET GLOBAL {name} = {quoted}")


def query(isolation: str) -> str:
    names = [*WANTED, "sql_mode", isolation]
    return "SELECT " + ", ".join(f"@@SESSION.{name} AS {name}" for name in names)


def check(found: dict[str, Any], isolation: str) -> None:
    assert {name: found[name] for name in WANTED} == WANTED
    assert found[isolation] == "READ-COMMITTED"
    assert "STRICT_ALL_TABLES" in found["sql_mode"]


def test_a_session_of_a_thread_forces_its_settings(broken_defaults: str, database_url: str) -> None:
    engine = create_thread_engine(DatabaseAddress.parse(database_url), connections=1)
    with engine.connect() as connection:
        found = dict(connection.exec_driver_sql(query(broken_defaults)).mappings().one())
    engine.dispose()

    check(found, broken_defaults)


def test_a_session_of_the_event_loop_forces_its_settings(
    broken_defaults: str, database_url: str
) -> None:
    async def read() -> dict[str, Any]:
        engine = create_asyncio_engine(DatabaseAddress.parse(database_url), connections=1)
        async with engine.connect() as connection:
            result = await connection.exec_driver_sql(query(broken_defaults))
            found = dict(result.mappings().one())
        await engine.dispose()
        return found

    check(asyncio.run(read()), broken_defaults)


def test_a_connection_to_a_server_that_became_read_only_is_dropped(database_url: str) -> None:
    engine = create_thread_engine(DatabaseAddress.parse(database_url), connections=1)
    with engine.connect() as connection:
        first = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        connection.commit()
        with pytest.raises(DBAPIError) as caught:
            connection.exec_driver_sql("DELETE FROM tasks")
    with engine.connect() as connection:
        second = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
    engine.dispose()

    assert caught.value.connection_invalidated
    assert second != first


def test_connections_share_what_they_need_for_tls(database_url: str) -> None:
    engine = create_thread_engine(DatabaseAddress.parse(database_url), connections=2)
    with engine.connect() as one, engine.connect() as other:
        drivers: list[Any] = [each.connection.driver_connection for each in (one, other)]
        assert drivers[0].ctx is drivers[1].ctx
    engine.dispose()
