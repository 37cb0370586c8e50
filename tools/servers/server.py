"""One private server process: start, be ready, stop, be killed, start again on the same port."""

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.servers.bound import bound
from tools.servers.errors import ServerError
from tools.servers.ports import free_port, is_free

READY_SECONDS = 120.0
STOP_SECONDS = 60.0
PORT_TRIES = 5


class Server(ABC):
    """A server on a loopback port that keeps its data, its log and its port in one directory.

    As a context manager it starts and stops; a KeyboardInterrupt kills it. The process leads a
    group of its own, so Ctrl-C in the terminal does not reach it, and it is killed when the thread
    that started it ends.

    kind: "mysql", "mariadb", "postgres" or "redis"; port: 0 before the first start; log: what the
    server printed in all its starts; version: as the server names it, once it has started.
    """

    kind: str
    ready_line: str
    stop_signal = signal.SIGTERM

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.log = self.directory / "log"
        self.port = 0
        self.version = ""
        self._temporary = self.directory / "tmp"
        self._port_file = self.directory / "port"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is KeyboardInterrupt:
            self.kill()
        else:
            self.stop()

    @property
    @abstractmethod
    def url(self) -> str:
        """The address for clients."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data directory, unless it is there."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the command that serves on `self.port`."""

    @abstractmethod
    def _ask_version(self) -> str:
        """Return the version from the first exchange as a client; OSError if that fails."""

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id; ServerError when it does not run."""
        if self._process is None or not self.running:
            raise ServerError(f"The {self.kind} server in {self.directory} does not run.")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until a client can connect; the first start makes the data directory.

        The first start takes the port of the last time if it is free, every later one the port it
        had. Raises ServerError with the log's last lines when the server does not come up.
        """
        if self.running:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self._temporary.mkdir(exist_ok=True)
        self._prepare()
        if self.port:
            self._serve()
        else:
            self._serve_on_any_port()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End the server in order, or kill it if that takes longer than `seconds`."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        self._process.send_signal(signal.SIGCONT)  # a frozen one would not hear the other
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        except KeyboardInterrupt:
            self.kill()
            raise
        self._process = None

    def kill(self) -> None:
        """End the server at once, as a crash would (SIGKILL)."""
        if self._process is not None and self.running:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def restart(self) -> None:
        """Stop, then start on the same port and data."""
        self.stop()
        self.start()

    def _serve_on_any_port(self) -> None:
        for port in self._ports_to_try():
            self.port = port
            try:
                self._serve()
            except ServerError:
                self.port = 0
                if is_free(port):
                    raise
            else:
                return
        raise ServerError(f"No free port was found for {self.kind}: try again.")

    def _environment(self) -> dict[str, str]:
        # A MariaDB that starts removes all temporary tables from its folder for them, and in a
        # shared /tmp these are also those of servers that run.
        return {**os.environ, "TMPDIR": str(self._temporary)}

    def _ports_to_try(self) -> list[int]:
        ports = [free_port() for _ in range(PORT_TRIES)]
        if self._port_file.exists():
            last = int(self._port_file.read_text())
            ports = [last, *ports] if is_free(last) else ports
        return ports

    def _serve(self) -> None:
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                bound(self._command()),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        self._port_file.write_text(str(self.port))

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + READY_SECONDS
        # The log is asked first: on the port itself another process may answer.
        while self.ready_line not in self._log_text():
            if not self.running:
                raise ServerError(f"The {self.kind} server did not start: {self._last_lines()}")
            if time.monotonic() > end:
                raise ServerError(
                    f"The {self.kind} server was not ready in {READY_SECONDS:.0f} seconds:"
                    f" {self._last_lines()}"
                )
            time.sleep(0.02)
        self.version = self._ask_version()

    def _log_text(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _last_lines(self) -> str:
        lines = self._log_text().splitlines()[-5:]
        return "\n  ".join([f"see {self.log}, which ends with", *lines])
