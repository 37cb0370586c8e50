"""A backup is made and restored by the commands of docs/operating.md, as they stand there."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url

from schema.models import metadata
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_thread_engine
from tests.conftest import ROOT
from tests.documents.blocks import blocks_of
from tests.rows import age_leases, claim, make, row, rows, succeed, sweep
from tools.servers import Database
from tools.servers.programs import find_client, locate, unstable_program
from tools.up.sql import connect_words

STEPS = {block.title: block.text for block in blocks_of("docs/operating.md")}
NAMES = {"mysql": "MySQL", "mariadb": "MariaDB"}
RESTORED = "rowlease_restored"

Shell = Callable[[str], str]


@pytest.fixture
def shell(server: Database, tmp_path: Path) -> Shell:
    """Runs a block in a folder of its own; the client programs know where the server is."""
    client, dump = find_client(), dump_program(server.kind)
    if dump is None or client is None:
        pytest.skip("the client programs are not installed")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, command in (("mysql", client.command), ("mysqldump", dump), ("mariadb-dump", dump)):
        words, _ = connect_words(server.url, command)
        shim = programs / name
        shim.write_text(f'#!/bin/sh\nexec {" ".join(words[:-1])} "$@"\n')
        shim.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATABASE_URL": restored_url(server),
    }

    def run(text: str) -> str:
        ran = subprocess.run(
            ["sh", "-euc", text],
            cwd=tmp_path if "sql.gz" in text else ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    return run


def dump_program(kind: str) -> tuple[str, ...] | None:
    """Return the command of the dump of this kind: one of the other kind writes what is refused."""
    path = locate("mariadb-dump" if kind == "mariadb" else "mysqldump")
    if path and ("MariaDB" in version(path)) == (kind == "mariadb"):
        return (path,)
    built = unstable_program("bin/mysqldump") if kind == "mysql" else None
    return built.command if built else None


def version(path: str) -> str:
    return subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout


def restored_url(server: Database) -> str:
    return make_url(server.url).set(database=RESTORED).render_as_string(hide_password=False)


@pytest.fixture
def restored(server: Database, engine: Engine) -> Iterator[Engine]:
    """An engine on the database that is made meanwhile."""
    opened = create_thread_engine(DatabaseAddress.parse(restored_url(server)))
    yield opened
    opened.dispose()
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {RESTORED}")


def test_what_was_backed_up_goes_on_where_it_was(
    engine: Engine, server: Database, restored: Engine, shell: Shell
) -> None:
    done, running, waiting = make(engine, 3, tags=["kept"], payload={"a": 1})
    succeed(engine, *claim(engine))
    claim(engine)
    age_leases(engine, running)
    shell(STEPS[f"Back up {NAMES[server.kind]}"])
    make(engine, title="made after the backup")

    shell(STEPS["Restore"])
    shell(STEPS["Look"])

    assert [row(restored, each)["status"] for each in (done, running, waiting)] == [
        "done",
        "in_progress",
        "to_do",
    ]
    for table in metadata.sorted_tables:
        extra = " WHERE title <> 'made after the backup'" if table.name == "tasks" else ""
        query = f"SELECT * FROM {table.name}{extra}"
        assert rows(restored, query) == rows(engine, query), table.name

    with restored.connect() as connection:
        connection.exec_driver_sql(STEPS["Leave a gap"].strip().removesuffix(";"))
    assert make(restored)[0] >= 10_000_000
    assert sweep(restored) == 1  # what ran at the moment of the backup
    assert {each.id for each in claim(restored, 3)} >= {running, waiting}
    with restored.connect() as connection:
        connection.exec_driver_sql(f"CALL p_stop_task({waiting}, 'not again')")
    assert row(restored, waiting)["stop_requested_at"] is not None
