"""Refusing a server that the claim cannot stand on."""

import threading
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from schema import server as fitness
from schema.runtime.transactions import transaction
from schema.server import NotMigratedError, WrongServerError
from tests.conftest import ROOT
from tools.servers import Database


def test_a_fit_server_is_named(engine: Engine, server: Database) -> None:
    product = fitness.check(engine)

    assert product.lower().startswith(server.kind)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"version": "5.7.44-log", "log_bin": "OFF"}, "MySQL 5.7.44-log is too old"),
        ({"version": "8.0.0", "log_bin": "OFF"}, "MySQL 8.0.0 is too old"),
        ({"version": "10.5.29-MariaDB", "log_bin": "OFF"}, "MariaDB 10.5.29-MariaDB is too old"),
        (
            {"version": "8.4.0", "log_bin": "ON", "binlog_format": "STATEMENT"},
            "binlog_format is STATEMENT",
        ),
    ],
)
def test_a_server_that_cannot_claim_is_refused_in_one_sentence(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], why: str
) -> None:
    words = " UNION ALL ".join(
        f"SELECT '{name}' AS Variable_name, '{value}' AS Value" for name, value in variables.items()
    )
    monkeypatch.setattr(fitness, "_VARIABLES", words)

    with pytest.raises(WrongServerError, match=why):
        fitness.check(engine)


def test_a_server_that_ignores_skip_locked_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitness, "_LOCK", "SELECT name FROM settings WHERE name = 'probe' -- ")

    with pytest.raises(WrongServerError, match="SKIP LOCKED"):
        fitness.check(engine)


def test_a_server_with_another_plan_for_the_claim_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_id = (
        "SELECT id FROM tasks FORCE INDEX (PRIMARY)"
        " WHERE queue = %s AND priority = %s AND available_at > %s LIMIT %s"
    )
    monkeypatch.setattr(fitness, "CLAIM", by_id)

    with pytest.raises(WrongServerError, match="ix_tasks_claim"):
        fitness.check(engine)


def test_a_database_without_tables_is_not_migrated(engine: Engine) -> None:
    config = Config(ROOT / "alembic.ini")
    command.downgrade(config, "base")
    try:
        with pytest.raises(NotMigratedError, match="alembic upgrade head"):
            fitness.check(engine)
    finally:
        command.upgrade(config, "head")


def test_a_database_ahead_of_the_code_is_migrated(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'from_the_future'")
    try:
        with engine.connect() as connection:
            assert fitness.is_migrated(connection)
    finally:
        head = fitness._scripts().get_current_head()
        with transaction(engine) as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{head}'")


def test_a_server_that_is_away_is_waited_for(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [ConnectionRefusedError("away"), NotMigratedError(), "MySQL"]

    def check(_engine: Engine) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    monkeypatch.setattr(fitness, "check", check)
    monkeypatch.setattr(fitness, "WAIT_SECONDS", 0)

    fitness.wait_until_fit(engine, threading.Event())

    assert answers == []


def test_waiting_ends_when_the_process_is_told_to_stop(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()

    def check(_engine: Engine) -> str:
        stop.set()
        raise NotMigratedError

    monkeypatch.setattr(fitness, "check", check)

    fitness.wait_until_fit(engine, stop)
