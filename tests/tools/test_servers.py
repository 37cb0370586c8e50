import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text

from tools.servers import (
    Database,
    DatabaseKind,
    ServerError,
    database,
    default_database,
    postgres,
    redis,
)
from tools.servers.programs import find_postgres

DEADLINE_SECONDS = 30
STARTS_REDIS_AND_WAITS = """
import sys
from pathlib import Path
from tools.servers import redis
with redis(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def kind() -> DatabaseKind:
    wanted = os.environ.get("ROWLEASE_TEST_DB")
    return "mysql" if wanted == "mysql" else "mariadb" if wanted else default_database()


@pytest.fixture(scope="module")
def db(kind: DatabaseKind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with database(kind, tmp_path_factory.mktemp(kind)) as server:
        yield server


def ask(server: Database, *statements: str) -> str:
    """Run the statements and return the last one's first value."""
    engine = create_engine(server.url.replace("mysql:", "mysql+pymysql:"), poolclass=NullPool)
    with engine.begin() as connection:
        *changes, question = map(text, statements)
        for change in changes:
            connection.execute(change)
        answer = connection.execute(question)
        return str(answer.scalar()) if answer.returns_rows else ""


def test_a_database_is_ready_in_utf8mb4(db: Database) -> None:
    assert ask(db, "SELECT @@character_set_database") == "utf8mb4"
    assert ask(db, "SELECT @@version") == db.version
    assert db.url == f"mysql://root@127.0.0.1:{db.port}/rowlease"


def test_a_database_survives_a_crash_on_its_port(db: Database) -> None:
    ask(db, "CREATE TABLE crash (id INT)", "INSERT INTO crash VALUES (1), (2)")
    port, pid = db.port, db.pid
    db.kill()
    assert not db.running
    db.start()
    assert (db.port, ask(db, "SELECT COUNT(*) FROM crash")) == (port, "2")
    assert db.pid != pid


def test_data_and_port_are_used_again_and_options_reach_the_server(db: Database) -> None:
    ask(db, "CREATE TABLE again (id INT)", "INSERT INTO again VALUES (7)")
    db.stop()
    with database(db.kind, db.directory, ["--max-connections=77"]) as later:
        assert later.port == db.port
        assert ask(later, "SELECT id FROM again") == "7"
        assert ask(later, "SELECT @@max_connections") == "77"
    db.start()


def test_a_database_that_cannot_start_says_why(db: Database, tmp_path: Path) -> None:
    broken = database(db.kind, tmp_path)
    broken.data.mkdir()
    broken.options.append("--no-such-option")
    with pytest.raises(ServerError, match=r"(?s)did not start: see .*ERROR"):
        broken.start()
    assert not broken.running
    with pytest.raises(ServerError, match="does not run"):
        _ = broken.pid


def test_redis_answers_and_keeps_its_port(tmp_path: Path) -> None:
    with redis(tmp_path) as server:
        assert server.url == f"redis://127.0.0.1:{server.port}/0"
        assert server.version
        port = server.port
        server.restart()
        assert server.port == port
        with socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS) as connection:
            connection.sendall(b"PING\r\n")
            assert connection.recv(100) == b"+PONG\r\n"


@pytest.mark.skipif(find_postgres() is None, reason="PostgreSQL is not installed")
def test_postgres_answers_and_stops() -> None:
    with tempfile.TemporaryDirectory() as name:  # root's tmp_path is closed to other users
        with postgres(Path(name)) as server:
            server.run("CREATE DATABASE other")
            assert server.run("SELECT current_database()", "other") == "other"
            assert server.version in server.run("SELECT version()")
            with pytest.raises(ServerError, match="refused SELECT nothing"):
                server.run("SELECT nothing")
        assert "database system is shut down" in server.log.read_text()


def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    with redis(tmp_path) as server:
        last = server.port
    with socket.create_server(("127.0.0.1", last)), redis(tmp_path) as server:
        assert server.port != last


def test_a_frozen_server_can_be_stopped(tmp_path: Path) -> None:
    with redis(tmp_path) as server:
        os.kill(server.pid, signal.SIGSTOP)
        server.stop()
        assert not server.running


def test_an_interrupt_kills_what_runs(tmp_path: Path) -> None:
    server = redis(tmp_path)
    with pytest.raises(KeyboardInterrupt), server:
        raise KeyboardInterrupt
    assert not server.running
    assert "Received SIGTERM" not in server.log.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_a_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    words = [sys.executable, "-c", STARTS_REDIS_AND_WAITS, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        server = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        ended, _, _ = select.select([server], [], [], DEADLINE_SECONDS)
    finally:
        os.close(server)
    assert ended
