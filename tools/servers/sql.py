"""Private MySQL and MariaDB servers."""

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.servers.errors import ProgramMissingError, ServerError
from tools.servers.ports import LOOPBACK
from tools.servers.programs import DatabaseKind, Program, find_database, locate
from tools.servers.server import Server

NAME = "rowlease"
CREATE = f"CREATE DATABASE IF NOT EXISTS {NAME} CHARACTER SET utf8mb4;\n"
GREETING_SECONDS = 30.0

# Drivers take TLS whenever it is offered; on loopback it would only cost time.
_MYSQL_OPTIONS = (
    "--mysqlx=OFF",
    "--auto-generate-certs=OFF",
    "--tls-version=",
    "--secure-file-priv=NULL",
)


def database(kind: DatabaseKind, directory: Path, options: Sequence[str] = ()) -> "Database":
    """Return a private server of this kind, to be entered or started.

    `directory` keeps its data, and data found there are used again. `options` go last on the
    server's command line; otherwise its defaults hold, durability included. Raises
    ProgramMissingError where the machine has no such program.
    """
    program = find_database(kind)
    if program is None:
        raise ProgramMissingError([kind])
    return Database(kind, directory, program, options)


class Database(Server):
    """A private MySQL or MariaDB with an empty utf8mb4 database `rowlease`; root has no password.

    Its options are read at each start, so a test may change them between two.
    """

    kind: DatabaseKind
    ready_line = ": ready for connections"

    def __init__(
        self, kind: DatabaseKind, directory: Path, program: Program, options: Sequence[str]
    ) -> None:
        super().__init__(directory)
        self.kind = kind
        self.options = list(options)
        self.data = self.directory / "data"
        self._program = program

    @property
    def url(self) -> str:
        """The address for clients: mysql://root@127.0.0.1:PORT/rowlease."""
        return f"mysql://root@{LOOPBACK}:{self.port}/{NAME}"

    def _prepare(self) -> None:
        if self.data.exists():
            return
        making = self.directory / "data.making"
        shutil.rmtree(making, ignore_errors=True)
        create = self.directory / "create.sql"
        create.write_text(CREATE)
        words = _install_words(self.kind, self._program, making, create)
        with self.log.open("ab") as log:
            made = subprocess.run(
                words, env=self._environment(), stdout=log, stderr=subprocess.STDOUT, check=False
            )
        if made.returncode != 0:
            raise ServerError(f"The {self.kind} data directory could not be made: see {self.log}.")
        create.unlink()
        making.rename(self.data)

    def _command(self) -> list[str]:
        return [
            *_server_words(self.kind, self._program, self.data),
            f"--port={self.port}",
            f"--bind-address={LOOPBACK}",
            *self.options,
        ]

    def _ask_version(self) -> str:
        with (
            socket.create_connection((LOOPBACK, self.port), GREETING_SECONDS) as connection,
            connection.makefile("rb") as stream,
        ):
            header = stream.read(4)
            greeting = stream.read(int.from_bytes(header[:3], "little"))
        # Protocol version 10, then the server's version up to a zero byte. MariaDB 10 prefixes
        # it with 5.5.5- for replicas of long ago.
        return greeting[1:].split(b"\0")[0].decode().removeprefix("5.5.5-")


def _server_words(kind: DatabaseKind, program: Program, data: Path) -> list[str]:
    return [
        *program.command,
        "--no-defaults",  # must come first
        *program.options,
        *(_MYSQL_OPTIONS if kind == "mysql" else ()),
        *_as_root(),
        f"--datadir={data}",
        "--socket=server.sock",  # relative to the data directory: a socket's path must be short
        "--pid-file=server.pid",
    ]


def _install_words(kind: DatabaseKind, program: Program, data: Path, create: Path) -> list[str]:
    if kind == "mysql":
        words = _server_words(kind, program, data)
        return [*words, "--initialize-insecure", f"--init-file={create}"]
    installer = locate("mariadb-install-db")
    if installer is None:
        raise ProgramMissingError([kind])
    return [
        installer,
        "--no-defaults",
        *_as_root(),
        f"--datadir={data}",
        f"--extra-file={create}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
    ]


def _as_root() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []
