"""The test stand: a private server with full durability, and the tables in it."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from schema.models import metadata
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_thread_engine
from schema.runtime.transactions import transaction
from tools.bench.errors import BenchError
from tools.bench.processes import cpu_seconds
from tools.servers import Database, DatabaseKind, database

ROOT = Path(__file__).parents[2]
CONNECTIONS = 4
QUIET_PATIENCE_SECONDS = 60.0
QUIET_LOOK_SECONDS = 0.5
QUIET_SHARE = 0.1
"""Of a core: a server that uses less is quiet."""

KEPT = {"settings"}
"""Tables whose first rows come with the migration."""

DURABLE: Mapping[DatabaseKind, Sequence[str]] = {
    "mysql": (),
    "mariadb": ("--log-bin", "--sync-binlog=1"),
}
"""Options with which a commit costs the same on both: MySQL has a binary log by default."""

_LOSSY = {
    "innodb_doublewrite": "ON",
    "innodb_flush_log_at_trx_commit": "1",
    "log_bin": "ON",
    "sync_binlog": "1",
}


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a measure is taken. `folder` is for logs and goes with the stand."""

    server: Database
    engine: Engine
    folder: Path

    @property
    def kind(self) -> DatabaseKind:
        """Which database it is."""
        return self.server.kind

    def environment(self) -> dict[str, str]:
        """Return the environment of a process that works on this stand."""
        return {**os.environ, "DATABASE_URL": self.server.url, "LOG_FORMAT": "json"}

    def empty(self) -> None:
        """Empty all tables, and begin with new files: what was deleted leaves nothing to purge."""
        empty(self.engine)

    def wait_until_quiet(self) -> None:
        """Wait until the server has done what it put off: purge, pages to be written."""
        end = time.monotonic() + QUIET_PATIENCE_SECONDS
        used = cpu_seconds(self.server.pid)
        while time.monotonic() < end:
            time.sleep(QUIET_LOOK_SECONDS)
            before, used = used, cpu_seconds(self.server.pid)
            if used - before < QUIET_SHARE * QUIET_LOOK_SECONDS:
                return


def empty(engine: Engine) -> None:
    """Empty all tables of a database."""
    with transaction(engine) as connection:
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
        for table in metadata.sorted_tables:
            if table.name not in KEPT:
                connection.exec_driver_sql(f"TRUNCATE TABLE {table.name}")
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 1")


@contextmanager
def stand(kind: DatabaseKind, parent: Path, options: Sequence[str] = ()) -> Iterator[Stand]:
    """Start a server in a new folder of `parent` and migrate it; all of it goes at the end.

    Raises BenchError when the folder or the server's settings would make commits cheap.
    """
    parent.mkdir(parents=True, exist_ok=True)
    require_disk(parent)
    with (
        tempfile.TemporaryDirectory(prefix=f"{kind}-", dir=parent) as name,
        database(kind, Path(name), [*DURABLE[kind], *options]) as server,
    ):
        engine = create_thread_engine(DatabaseAddress.parse(server.url), connections=CONNECTIONS)
        try:
            made = Stand(server, engine, Path(name))
            _migrate(made)
            _require_durability(made)
            yield made
        finally:
            engine.dispose()


def file_system(path: Path) -> str:
    """Return the type of the file system that holds `path`, such as ext4."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            return after.split()[0]
    return "unknown"


def durability(engine: Engine) -> dict[str, str]:
    """Return the server's variables that decide what a commit survives."""
    query = f"SHOW GLOBAL VARIABLES WHERE Variable_name IN {tuple(_LOSSY)}"
    with engine.connect() as connection:
        return {row.Variable_name: row.Value for row in connection.exec_driver_sql(query)}


def _migrate(stand: Stand) -> None:
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    done = subprocess.run(
        command, cwd=ROOT, env=stand.environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"The tables could not be made: {done.stderr or done.stdout}")


def require_disk(folder: Path) -> None:
    """Raise BenchError where commits would be cheap, as in memory."""
    if file_system(folder) in {"tmpfs", "ramfs"}:
        raise BenchError(f"{folder} is in memory, where commits are cheap: name one on a disk.")


def _require_durability(stand: Stand) -> None:
    found = durability(stand.engine)
    if any(found.get(name) != value for name, value in _LOSSY.items()):
        raise BenchError(f"The server does not keep what it commits: {found}.")
