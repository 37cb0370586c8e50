"""Private PostgreSQL servers, for what is compared with us."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.servers.errors import ProgramMissingError, ServerError
from tools.servers.ports import LOOPBACK
from tools.servers.programs import find_postgres, locate
from tools.servers.server import Server

USER = "postgres"
"""Who the server runs as where root starts it, which it refuses to run as; and its superuser."""


def postgres(directory: Path, options: Sequence[str] = ()) -> "Postgres":
    """Return a private PostgreSQL server, to be entered or started; its defaults are durable.

    `options` go last on its command line, such as ["-c", "max_connections=50"]. Raises
    ProgramMissingError where the machine has no such program.
    """
    folder = find_postgres()
    if folder is None:
        raise ProgramMissingError(["postgres"])
    return Postgres(directory, folder, options)


class Postgres(Server):
    """A private PostgreSQL whose superuser, postgres, has no password."""

    kind = "postgres"
    ready_line = "database system is ready to accept connections"
    stop_signal = signal.SIGINT

    def __init__(self, directory: Path, programs: Path, options: Sequence[str]) -> None:
        super().__init__(directory)
        self.options = list(options)
        self.data = self.directory / "data"
        self._programs = programs

    @property
    def url(self) -> str:
        """The address for clients: postgresql://postgres@127.0.0.1:PORT/postgres."""
        return self.url_of("postgres")

    def url_of(self, name: str) -> str:
        """Return the address of one database."""
        return f"postgresql://{USER}@{LOOPBACK}:{self.port}/{name}"

    def run(self, statement: str, name: str = "postgres") -> str:
        """Carry out one statement in a database and return what psql prints; ServerError if not."""
        words = [self._program("psql"), "--no-psqlrc", "-tA", "-c", statement, self.url_of(name)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerError(f"PostgreSQL refused {statement}: {done.stderr.strip()}")
        return done.stdout.strip()

    def _prepare(self) -> None:
        if self.data.exists():
            return
        words = _as_user()
        if words:
            for folder in (self.directory, self._temporary):
                shutil.chown(folder, USER, USER)
        words += [self._program("initdb"), f"--pgdata={self.data}", f"--username={USER}"]
        words += ["--auth=trust", "--encoding=UTF8", "--locale=C"]
        with self.log.open("ab") as log:
            done = subprocess.run(
                words, cwd=self.directory, stdout=log, stderr=subprocess.STDOUT, check=False
            )
        if done.returncode != 0:
            raise ServerError(f"The postgres data directory could not be made: see {self.log}.")

    def _command(self) -> list[str]:
        server = [self._program("postgres"), "-D", str(self.data)]
        place = ["-h", LOOPBACK, "-p", str(self.port), "-c", "unix_socket_directories="]
        return [*_as_user(), *server, *place, *self.options]

    def _ask_version(self) -> str:
        words = [self._program("postgres"), "--version"]
        told = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        return told.removeprefix("postgres (PostgreSQL)").split()[0]

    def _program(self, name: str) -> str:
        return str(self._programs / name)


def _as_user() -> list[str]:
    """Return the words that let root run a program as another user, who dies with its parent."""
    if os.geteuid() != 0:
        return []
    setpriv = locate("setpriv")
    if setpriv is None or not any(each.pw_name == USER for each in pwd.getpwall()):
        raise ServerError(f"Root cannot run PostgreSQL: setpriv or the user {USER} is not there.")
    # A change of user takes the death signal away that the launcher asked for.
    return [setpriv, f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--pdeathsig=KILL"]
