"""The programs of a row as processes: a client that is asked, and workers that are killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tools.bench.errors import BenchError
from tools.bench.peers.catalogue import Row
from tools.bench.peers.environments import Environment
from tools.bench.peers.journal import Journal
from tools.bench.processes import family
from tools.bench.stand import ROOT
from tools.servers.bound import bound

LAST_LINES = 4
ERROR = re.compile(r"[\w.]*Error\b")


@dataclass(frozen=True, slots=True)
class Made:
    """How many tasks a client created, and in how many seconds."""

    made: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Tasks per second."""
        return self.made / self.seconds


class Client:
    """A client of the peer: creates tasks, numbered from 0 in the order of their creation."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log
        self.created = 0

    def create(self, count: int, seconds: float, *, in_bulk: bool) -> Made:
        """Create tasks until there are so many more, or the time is over."""
        answer = self.ask("many" if in_bulk else "one", count=count, seconds=seconds)
        self.created += answer["made"]
        return Made(**answer)

    def pace(self, count: int, seconds: float) -> list[int]:
        """Create tasks with a pause before each; return when each creation began (monotonic)."""
        moments: list[int] = self.ask("pace", count=count, seconds=seconds)
        self.created += count
        return moments

    def ask(self, verb: str, **content: Any) -> Any:
        """Send what is asked for and return the answer; BenchError when there is none."""
        asked, answered = self._streams()
        try:
            print(
                json.dumps({"verb": verb, "first": self.created, **content}), file=asked, flush=True
            )
            line = answered.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise BenchError(f"Its client ended: {_end_of(self._log)}")
        return json.loads(line)

    def _streams(self) -> tuple[IO[str], IO[str]]:
        if self._process.stdin is None or self._process.stdout is None:
            raise BenchError("Its client cannot be spoken to.")
        return self._process.stdin, self._process.stdout


class Worker:
    """A worker of the peer with all its children, and the journal of what they carried out."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, journal: Journal) -> None:
        self._process = process
        self._log = log
        self.journal = journal

    @property
    def pid(self) -> int:
        """The process id of the first of them."""
        return self._process.pid

    def require_alive(self) -> None:
        """Raise BenchError when it has ended."""
        code = self._process.poll()
        if code is not None:
            raise BenchError(f"Its worker ended with {code}: {_end_of(self._log)}")

    def kill(self) -> None:
        """Kill all of it at once, as a machine that is gone (SIGKILL)."""
        _kill(self._process)


class Programs:
    """Starts the programs of a row on its store; logs and journals lie in `folder`."""

    def __init__(self, row: Row, environment: Environment, url: str, folder: Path) -> None:
        self._row = row
        self._environment = environment
        self._url = url
        self._folder = folder
        self._started = 0

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Start a client that has made its tables and is connected; end it at the end."""
        log = self._folder / "client.log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                bound([*self._environment.command, "client"]),
                cwd=ROOT,
                env=self._variables({}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            client = Client(process, log)
            client.ask("open")
            yield client
        finally:
            _kill(process)

    @contextmanager
    def workers(self, count: int) -> Iterator[list[Worker]]:
        """Start workers at the same time, each a tree of processes; kill them at the end."""
        with ExitStack() as stack:
            started = []
            for _ in range(count):
                started.append(self._worker())
                stack.callback(started[-1].kill)
            yield started

    @contextmanager
    def companions(self) -> Iterator[None]:
        """Run what a deployment has beside its workers: ours a reaper, peers nothing."""
        if not self._row.is_ours:
            yield
            return
        with (self._folder / "reaper.log").open("wb") as log:
            process = subprocess.Popen(
                bound([sys.executable, "-m", "reaper"]),
                cwd=ROOT,
                env=self._variables({"DATABASE_URL": self._url}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield
        finally:
            _kill(process)

    def _worker(self) -> Worker:
        self._started += 1
        log = self._folder / f"worker-{self._started}.log"
        journal = Journal(self._folder / f"journal-{self._started}")
        with log.open("wb") as output:
            process = subprocess.Popen(
                bound([*self._environment.command, "worker"]),
                cwd=ROOT,
                env=self._variables({"BENCH_JOURNAL": str(journal.path)}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return Worker(process, log, journal)

    def _variables(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            **os.environ,
            **self._environment.variables,
            "BENCH_STORE_URL": self._url,
            "BENCH_VARIANT": self._row.variant,
            **more,
        }


def _kill(process: subprocess.Popen[Any]) -> None:
    for pid in family(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _end_of(log: Path) -> str:
    time.sleep(0.1)  # it may still be writing
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if ERROR.match(line)]
    return errors[-1] if errors else " / ".join(lines[-LAST_LINES:])
