"""The migrations make what the models declare."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Engine, Table

from schema.models import metadata
from tests.conftest import ROOT
from tests.rows import claim, make, rows
from tests.waiting import wait_for

TABLES = list(metadata.tables.values())


@pytest.fixture
def config() -> Config:
    return Config(ROOT / "alembic.ini")


def test_there_is_one_head(config: Config) -> None:
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1


def test_models_and_database_do_not_drift(config: Config, engine: Engine) -> None:  # noqa: ARG001
    command.check(config)


def test_the_migrations_go_down_and_up_again(config: Config, engine: Engine) -> None:
    command.downgrade(config, "base")
    left = rows(engine, "SHOW TABLES")
    command.upgrade(config, "head")

    assert [name for each in left for name in each.values()] == ["alembic_version"]
    command.check(config)


def test_a_migration_waits_for_who_uses_a_table_without_stopping_claims(
    config: Config, engine: Engine
) -> None:
    make(engine, queue="q")
    command.downgrade(config, "0002")
    with engine.connect() as using:
        using.exec_driver_sql("SELECT name FROM queues").all()
        with ThreadPoolExecutor(1) as pool:
            upgrade = pool.submit(command.upgrade, config, "head")
            wait_for(lambda: is_waiting_for_a_table(engine))
            wait_for(lambda: not is_waiting_for_a_table(engine))  # it gave up, to try again
            assert len(claim(engine)) == 1
            using.rollback()
            upgrade.result()

    command.check(config)


def is_waiting_for_a_table(engine: Engine) -> bool:
    found = rows(engine, "SELECT state FROM information_schema.processlist")
    return any("metadata lock" in str(each) for each in found)


def test_every_table_and_column_has_a_comment(engine: Engine) -> None:
    tables = rows(
        engine,
        "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()"
        " AND table_type = 'BASE TABLE' AND table_comment = '' AND table_name <> 'alembic_version'",
    )
    columns = rows(
        engine,
        "SELECT table_name AS t, column_name AS c FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND column_comment = ''"
        " AND table_name <> 'alembic_version' AND table_name NOT LIKE 'v\\_%%'",
    )

    assert (tables, columns) == ([], [])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_checks_are_those_of_the_models(engine: Engine, table: Table) -> None:
    found = rows(
        engine,
        "SELECT constraint_name AS name FROM information_schema.table_constraints"
        f" WHERE table_schema = DATABASE() AND table_name = '{table.name}'"
        " AND constraint_type = 'CHECK' AND constraint_name LIKE 'ck%%'",
    )
    declared = {
        str(check.name) for check in table.constraints if isinstance(check, CheckConstraint)
    }

    assert {each["name"] for each in found} == declared


def test_text_is_utf8mb4_and_tells_all_strings_apart(engine: Engine) -> None:
    found = rows(
        engine,
        "SELECT DISTINCT collation_name AS name FROM information_schema.columns WHERE"
        " table_schema = DATABASE() AND collation_name IS NOT NULL"
        " AND table_name <> 'alembic_version'",
    )

    assert found == [{"name": "utf8mb4_bin"}]


def test_generated_columns_are_stored(engine: Engine) -> None:
    found = rows(
        engine,
        "SELECT column_name AS name, extra AS how FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND extra LIKE '%%GENERATED%%'"
        " AND extra NOT LIKE 'DEFAULT_GENERATED%%' ORDER BY 1",
    )

    assert [(each["name"], each["how"]) for each in found] == [
        ("claimable", "STORED GENERATED"),
        ("live", "STORED GENERATED"),
        ("live_unique_key", "STORED GENERATED"),
    ]


def test_enums_sort_by_rank(engine: Engine) -> None:
    found = rows(
        engine,
        "SELECT column_type AS words FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = 'tasks' AND column_name = 'priority'",
    )

    assert re.findall(r"'(.)'", found[0]["words"]) == ["高", "中", "低"]


def test_the_migrations_name_no_model() -> None:
    for script in Path(ROOT / "schema/migrations/versions").glob("*.py"):
        assert "schema.models" not in script.read_text(), "a migration must stay what it was"
