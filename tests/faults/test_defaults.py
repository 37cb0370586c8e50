"""A server whose defaults are all wrong: sessions force what they need, or start-up refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CalledProcessError

import pytest
from sqlalchemy import Engine

from api.main import build
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_thread_engine
from schema.runtime.settings import Settings
from tests.api.requests import create, local_client
from tests.conftest import UNSAFE
from tests.processes import Start
from tests.rows import row, rows
from tests.waiting import wait_for
from tools.faults import handlers
from tools.faults.checker import check
from tools.faults.evidence import gather
from tools.servers import Database, database
from tools.soak.stand import migrate

pytestmark = pytest.mark.slow

REFUSAL = "binlog_format is STATEMENT"
TITLE = "任务 👩‍👩‍👧‍👦 e\u0301 ß 'a' -- %s "

WRONG = (
    "--sql-mode=",
    "--default-time-zone=+09:00",
    "--character-set-server=latin1",
    "--collation-server=latin1_swedish_ci",
    "--transaction-isolation=SERIALIZABLE",
    "--autocommit=0",
    "--log-bin=binlog",
    "--server-id=1",
    "--binlog-format=STATEMENT",
    "--innodb-buffer-pool-size=64M",
    *UNSAFE,
)
OF_ITS_KIND = {"mysql": [], "mariadb": ["--innodb-snapshot-isolation=ON"]}


@pytest.fixture(scope="module")
def wrong(server: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A server of its own, with a database that has its defaults."""
    folder = tmp_path_factory.mktemp("wrong")
    with database(server.kind, folder, [*WRONG, *OF_ITS_KIND[server.kind]]) as running:
        yield running


@pytest.fixture(scope="module")
def plain(wrong: Database) -> Iterator[Engine]:
    """An engine on an empty database that has the server's defaults."""
    root = create_thread_engine(DatabaseAddress.parse(wrong.url), connections=1)
    with root.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE plain")
    root.dispose()
    url = wrong.url.replace("/rowlease", "/plain")
    engine = create_thread_engine(DatabaseAddress.parse(url), connections=3)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def migrated(plain: Engine) -> Engine:
    """The same with the tables in it; only what logs statements had to be put right."""
    with logging("ROW", plain):
        migrate(url_of(plain))
    return plain


def url_of(engine: Engine) -> str:
    return engine.url.set(drivername="mysql").render_as_string(hide_password=False)


@contextmanager
def logging(word: str, engine: Engine) -> Iterator[None]:
    """Have sessions that begin in the block log in a format."""
    set_format(engine, word)
    engine.dispose()
    yield
    set_format(engine, "STATEMENT")
    engine.dispose()


def set_format(engine: Engine, word: str) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SET GLOBAL binlog_format = {word}")


def test_nothing_is_migrated_where_statements_are_logged(plain: Engine) -> None:
    with pytest.raises(CalledProcessError) as caught:
        migrate(url_of(plain))

    assert REFUSAL in caught.value.stdout.decode()
    assert caught.value.stderr == b""
    assert rows(plain, "SHOW TABLES") == []


@pytest.mark.parametrize("module", ["worker", "reaper"])
def test_a_server_that_logs_statements_is_refused(
    migrated: Engine, start: Start, module: str
) -> None:
    process = start(module, DATABASE_URL=url_of(migrated))

    assert process.wait() == 2
    assert REFUSAL in process.errors.read_text()


def test_all_other_wrong_defaults_are_no_trouble(
    migrated: Engine, start: Start, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    effects.touch()
    url = url_of(migrated)
    asked = {"title": TITLE, "task_type": handlers.COROUTINE, "payload": {"ends": ["error"]}}
    with logging("ROW", migrated), local_client(build(lambda: Settings(database_url=url))) as api:
        task_id = create(api, **asked)["id"]
        work = {"WORKER_HANDLERS": "tools.faults.handlers", "EFFECTS": str(effects)}
        start("worker", DATABASE_URL=url, RETRY_BACKOFF_SECONDS="0", **work)
        reaper = start("reaper", DATABASE_URL=url)
        wait_for(lambda: row(migrated, task_id)["status"] == "done")
        told = api.get(f"/tasks/{task_id}").json()
        assert reaper.stop() == 0

    assert told["title"] == TITLE
    ended = datetime.fromisoformat(told["completed_at"])
    assert abs(datetime.now(UTC) - ended) < timedelta(minutes=1)
    assert not check(gather(migrated, effects=effects))
    assert [line for line in reaper.log() if line["level"] != "info"] == []


def test_no_column_has_the_servers_character_set(migrated: Engine) -> None:
    query = (
        "SELECT table_name, column_name, collation_name FROM information_schema.columns"
        " WHERE table_schema = 'plain' AND collation_name NOT LIKE 'utf8mb4%%'"
        " AND collation_name NOT LIKE 'ascii%%' AND table_name <> 'alembic_version'"
    )

    assert rows(migrated, query) == []
