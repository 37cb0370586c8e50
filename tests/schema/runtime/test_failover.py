"""Of several servers the one that takes writes is used, and found again when it is another."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError

from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_asyncio_engine, create_thread_engine
from schema.runtime.errors import is_transient
from tools.servers import Database, database
from tools.servers.ports import free_port

PORT = "SELECT @@port"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, server: Database) -> Iterator[Database]:
    """A second server, which takes no writes unless a test says so."""
    options = ["--innodb-buffer-pool-size=32M"]
    with database(server.kind, tmp_path_factory.mktemp("other"), options) as running:
        yield running


@pytest.fixture
def replica(other: Database) -> Iterator[Database]:
    set_read_only(other, 1)
    yield other
    set_read_only(other, 0)


def set_read_only(server: Database, value: int) -> None:
    engine = create_engine(server.url.replace("mysql://", "mysql+pymysql://"))
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SET GLOBAL read_only = {value}")
    engine.dispose()


def address(*ports: int) -> DatabaseAddress:
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return DatabaseAddress.parse(f"mysql://root@{hosts}/rowlease")


@contextmanager
def connected(*ports: int) -> Iterator[Engine]:
    engine = create_thread_engine(address(*ports), connections=2)
    yield engine
    engine.dispose()


def port_of(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(PORT).scalar_one())


def test_a_server_that_is_away_is_passed_over(server: Database) -> None:
    with connected(free_port(), server.port) as engine:
        assert port_of(engine) == server.port


def test_a_server_that_takes_no_writes_is_passed_over(server: Database, replica: Database) -> None:
    with connected(replica.port, server.port) as engine:
        assert port_of(engine) == server.port


def test_when_another_server_takes_the_writes_all_connections_go_there(
    server: Database, replica: Database
) -> None:
    with connected(server.port, replica.port) as engine:
        with engine.connect() as one, engine.connect() as other:
            for each in (one, other):
                assert each.exec_driver_sql(PORT).scalar_one() == server.port
            set_read_only(server, 1)
            set_read_only(replica, 0)
            try:
                one.invalidate()
                one.rollback()
                assert one.exec_driver_sql(PORT).scalar_one() == replica.port
            finally:
                set_read_only(server, 0)
        assert port_of(engine) == replica.port
        with engine.connect() as one, engine.connect() as other:
            for each in (one, other):
                assert each.exec_driver_sql(PORT).scalar_one() == replica.port


def test_a_frozen_server_costs_seconds_and_is_tried_last(server: Database, other: Database) -> None:
    os.kill(other.pid, signal.SIGSTOP)
    try:
        with connected(other.port, server.port) as engine:
            began = time.monotonic()
            assert port_of(engine) == server.port
            assert time.monotonic() - began < 4
            engine.dispose()
            began = time.monotonic()
            assert port_of(engine) == server.port
            assert time.monotonic() - began < 1
    finally:
        os.kill(other.pid, signal.SIGCONT)


def test_the_event_loop_finds_it_too(server: Database, replica: Database) -> None:
    async def read() -> int:
        engine = create_asyncio_engine(address(free_port(), replica.port, server.port))
        async with engine.connect() as connection:
            found = int((await connection.exec_driver_sql(PORT)).scalar_one())
        await engine.dispose()
        return found

    assert asyncio.run(read()) == server.port


def test_who_gives_up_on_a_frozen_server_comes_to_the_next(
    server: Database, other: Database
) -> None:
    async def read() -> int:
        engine = create_asyncio_engine(address(other.port, free_port(), server.port))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), engine.connect():
                pass
        async with asyncio.timeout(3), engine.connect() as connection:
            found = int((await connection.exec_driver_sql(PORT)).scalar_one())
        await engine.dispose()
        return found

    os.kill(other.pid, signal.SIGSTOP)
    try:
        assert asyncio.run(read()) == server.port
    finally:
        os.kill(other.pid, signal.SIGCONT)


def test_where_none_takes_writes_that_is_waited_for(replica: Database) -> None:
    with connected(replica.port, free_port()) as engine:
        with pytest.raises(DBAPIError, match="none of the 2 servers takes writes") as caught:
            port_of(engine)

        assert is_transient(caught.value)


def test_a_refused_user_is_told_at_once(server: Database) -> None:
    hosts = f"127.0.0.1:{server.port},127.0.0.1:{free_port()}"
    wrong = DatabaseAddress.parse(f"mysql://nobody:wrong@{hosts}/rowlease")
    engine = create_thread_engine(wrong)

    with pytest.raises(DBAPIError, match="Access denied"):
        port_of(engine)
    engine.dispose()
