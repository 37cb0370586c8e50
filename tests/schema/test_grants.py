"""Trying out what a user may do."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from schema import grants
from schema.grants import WORKER, Privilege
from schema.runtime.engine import create_thread_engine
from schema.runtime.transactions import transaction
from tests.accounts import Account, account
from tests.rows import make, row, rows
from tools.servers import Database

PAIRS = [(model.__tablename__, each) for model, needed in WORKER.items() for each in needed]


@pytest.fixture
def limited(engine: Engine, server: Database) -> Iterator[Account]:
    """A user with what a worker needs, and nothing else."""
    with account(engine, server, PAIRS) as one:
        yield one


@pytest.fixture
def as_limited(limited: Account) -> Iterator[Engine]:
    engine = create_thread_engine(limited.address)
    yield engine
    engine.dispose()


def refused(engine: Engine) -> list[tuple[str, Privilege]]:
    with engine.connect() as connection:
        return list(grants.refused(connection, WORKER))


def test_a_user_with_all_that_is_needed_is_refused_nothing(as_limited: Engine) -> None:
    assert refused(as_limited) == []


def test_each_privilege_that_is_missing_is_named(limited: Account, as_limited: Engine) -> None:
    for pair in PAIRS:
        limited.revoke(*pair)
        assert refused(as_limited) == [pair]
        limited.grant(*pair)


def test_a_user_who_may_read_one_column_only_may_not_write(
    engine: Engine, limited: Account, as_limited: Engine
) -> None:
    limited.revoke("tags", Privilege.SELECT)
    with transaction(engine) as connection:
        connection.exec_driver_sql(f"GRANT SELECT (name) ON tags TO {limited.name}")

    assert refused(as_limited) == [("tags", Privilege.SELECT)]


def test_trying_out_changes_nothing(engine: Engine) -> None:
    (task_id,) = make(engine, tags=["x"], payload={"a": 1})
    before = row(engine, task_id)

    with transaction(engine) as connection:
        assert list(grants.refused(connection, WORKER)) == []

    assert row(engine, task_id) == before
    assert rows(engine, "SELECT name FROM tags") == [{"name": "x"}]
    assert make(engine) == [task_id + 1]
