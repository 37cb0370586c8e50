"""The processes of the system, each in a group of its own, started again when they are gone."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tools.servers.bound import bound

ROOT = Path(__file__).parents[2]
END_SECONDS = 40.0


@dataclass
class Process:
    """One process of the Procfile, and the file that all its starts log to."""

    name: str
    module: str
    environment: Mapping[str, str]
    log: Path
    starts: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int | None:
        """Its process id, None when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.pid is not None:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                bound([sys.executable, "-m", self.module]),
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.starts += 1

    def send(self, number: signal.Signals, *, whole_group: bool = False) -> None:
        """Send it a signal, if it runs; with `whole_group` to its children too."""
        pid = self.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                (os.killpg if whole_group else os.kill)(pid, number)

    def wait(self) -> None:
        """Wait for its end, if it runs."""
        if self._process is not None:
            self._process.wait()

    def end(self) -> int | None:
        """End it in order, or kill it when that takes too long; return the exit code."""
        if self._process is None:
            return None
        self.send(signal.SIGCONT, whole_group=True)
        self.send(signal.SIGTERM)
        try:
            return self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL, whole_group=True)
            return self._process.wait()


class Keeper:
    """Starts processes again that are gone, as a platform does, in a thread of its own.

    They end with the thread that starts them, so it is this thread that starts all of them.
    """

    def __init__(self, processes: list[Process], look_seconds: float = 0.2) -> None:
        self.processes = processes
        self._look_seconds = look_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper")

    def start(self) -> None:
        """Start all of them."""
        self._thread.start()

    def stop(self) -> dict[str, int | None]:
        """End all of them in order; return their exit codes."""
        self._stop.set()
        codes = {process.name: process.end() for process in self.processes}
        self._thread.join()
        return codes

    def of(self, module: str) -> list[Process]:
        """Return the processes of a module."""
        return [process for process in self.processes if process.module == module]

    def _keep(self) -> None:
        while not self._stop.is_set():
            for process in self.processes:
                process.start()
            self._stop.wait(self._look_seconds)
        for process in self.processes:
            process.wait()
