"""Private Redis servers."""

import re
import socket
from collections.abc import Sequence
from pathlib import Path

from tools.servers.errors import ProgramMissingError
from tools.servers.ports import LOOPBACK
from tools.servers.programs import Program, find_redis
from tools.servers.server import Server

ANSWER_SECONDS = 10.0


def redis(directory: Path, options: Sequence[str] = ()) -> "Redis":
    """Return a private Redis server, to be entered or started; it writes nothing to disk.

    `options` go last on its command line, such as ["--appendonly", "yes"]. Raises
    ProgramMissingError where the machine has no such program.
    """
    program = find_redis()
    if program is None:
        raise ProgramMissingError(["redis"])
    return Redis(directory, program, options)


class Redis(Server):
    """A private Redis without a password."""

    kind = "redis"
    ready_line = "Ready to accept connections"

    def __init__(self, directory: Path, program: Program, options: Sequence[str]) -> None:
        super().__init__(directory)
        self.options = list(options)
        self._program = program

    @property
    def url(self) -> str:
        """The address for clients: redis://127.0.0.1:PORT/0."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def _prepare(self) -> None:
        return

    def _command(self) -> list[str]:
        return [
            *self._program.command,
            *("--port", str(self.port)),
            *("--bind", LOOPBACK),
            *("--dir", str(self.directory)),
            *("--save", ""),
            *self.options,
        ]

    def _ask_version(self) -> str:
        with socket.create_connection((LOOPBACK, self.port), ANSWER_SECONDS) as connection:
            connection.sendall(b"INFO server\r\n")
            answer = connection.recv(65536).decode()
        version = re.search(r"(?:redis|valkey)_version:(\S+)", answer)
        return version[1] if version else ""
