"""A real server, private to this run, with the tables in it."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from schema.models import metadata
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_thread_engine
from schema.runtime.settings import settings
from schema.runtime.transactions import transaction
from tests import processes
from tests.cache_server import connect
from tests.s3 import BUCKET, running_s3
from tools.servers import Database, Redis, database, default_database, redis
from tools.servers.programs import DatabaseKind

ROOT = Path(__file__).parent.parent

KEPT = {"settings"}
"""Tables whose first rows come with the migration."""

DISPATCHER_RUNS = """UPDATE settings SET value = '{"is_running": true}', reason = NULL
WHERE name = 'dispatcher' AND JSON_CONTAINS(value, 'false', '$.is_running')"""

# A test server's data must survive its kill -9, but not the machine's.
UNSAFE = ["--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0", "--innodb-doublewrite=OFF"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The database server of this run: ROWLEASE_TEST_DB says which."""
    kind = os.environ.get("ROWLEASE_TEST_DB") or default_database()
    if kind not in get_args(DatabaseKind):
        pytest.exit(f"ROWLEASE_TEST_DB must be mysql or mariadb, not {kind!r}", returncode=2)
    with database(cast("DatabaseKind", kind), tmp_path_factory.mktemp("server"), UNSAFE) as running:
        yield running


@pytest.fixture(scope="session")
def database_url(server: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the migrated database of this run is; in the environment too, for processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", server.url)
        patch.setenv("LOG_FORMAT", "json")
        patch.setenv("FILES_URL", str(tmp_path_factory.mktemp("files")))
        patch.setenv("FILES_SHARED", "1")
        settings.cache_clear()
        command.upgrade(Config(ROOT / "alembic.ini"), "head")
        yield server.url
    settings.cache_clear()


@pytest.fixture(scope="session")
def pooled(database_url: str) -> Iterator[Engine]:
    """One engine for the whole run."""
    engine = create_thread_engine(DatabaseAddress.parse(database_url), connections=20)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(pooled: Engine) -> Engine:
    """An engine on a database whose tables are empty."""
    empty(pooled)
    return pooled


def empty(engine: Engine) -> None:
    """Empty the tables that a test may have filled."""
    names = [table.name for table in reversed(metadata.sorted_tables) if table.name not in KEPT]
    filled = " UNION ALL ".join(f"(SELECT '{name}' FROM {name} LIMIT 1)" for name in names)
    with transaction(engine) as connection:
        for name in connection.exec_driver_sql(filled).scalars().all():
            connection.exec_driver_sql(f"DELETE FROM {name}")
        connection.exec_driver_sql(DISPATCHER_RUNS)


@pytest.fixture
def start(engine: Engine, tmp_path: Path) -> Iterator[processes.Start]:  # noqa: ARG001
    """Starts processes of the Procfile on the test's database; kills what is left at the end."""
    running: list[processes.Running] = []

    def start_one(module: str, *arguments: str, **how: Any) -> processes.Running:
        one = processes.start(tmp_path, module, len(running), *arguments, **how)
        running.append(one)
        return one

    yield start_one
    for one in running:
        one.kill()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """An S3 on this machine, where the environment leads; its address."""
    with running_s3() as address:
        yield address


@pytest.fixture
def bucket(s3: str) -> str:  # noqa: ARG001  # it is there
    """FILES_URL of a folder in a bucket that no other test uses."""
    return f"s3://{BUCKET}/{uuid.uuid4()}"


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """The Redis of this run."""
    with redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def redis_server(redis_process: Redis) -> Redis:
    """A Redis that is empty and as it is by default, whatever the last test did to it."""
    redis_process.start()
    with connect(redis_process) as client:
        client.config_set("maxmemory", 0)
        client.replicaof("NO", "ONE")
        client.flushall()
    return redis_process
