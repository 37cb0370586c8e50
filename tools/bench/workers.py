"""Workers and reapers, started as they are deployed."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.bench.errors import BenchError
from tools.bench.stand import ROOT, Stand
from tools.servers.bound import bound

START_SECONDS = 30.0
STOP_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A process of `python -m worker`, or another module, and the file that it logs to."""

    process: subprocess.Popen[bytes]
    log: Path
    module: str = "worker"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def wait_until_started(self) -> None:
        """Wait for its "worker started"; raises BenchError when that does not come."""
        end = time.monotonic() + START_SECONDS
        while f"{self.module} started" not in self._events():
            self.require_alive()
            if time.monotonic() > end:
                raise BenchError(f"A {self.module} did not start in time: {self.log.read_text()}")
            time.sleep(0.02)

    def require_alive(self) -> None:
        """Raise BenchError when it has ended."""
        code = self.process.poll()
        if code is not None:
            raise BenchError(f"A {self.module} ended with {code}: {self.log.read_text()}")

    def stop(self) -> None:
        """End it in order, or kill it if that takes too long."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _events(self) -> set[str]:
        lines = self.log.read_text().splitlines()
        return {str(json.loads(line).get("event")) for line in lines if line.startswith("{")}


@contextmanager
def workers(
    stand: Stand, *, slots: int, queues: Sequence[str] = ("*",)
) -> Iterator[list[WorkerProcess]]:
    """Start a worker for each of `queues`, wait until all are ready, stop them at the end."""
    with ExitStack() as stack:
        started = []
        for queue in queues:
            started.append(start_worker(stand, slots, queue))
            stack.callback(started[-1].stop)
        for worker in started:
            worker.wait_until_started()
        yield started


@contextmanager
def reaper(stand: Stand, **variables: str) -> Iterator[WorkerProcess]:
    """Start a reaper with these settings, wait until it is ready, stop it at the end."""
    started = _start(stand, "reaper", variables)
    try:
        started.wait_until_started()
        yield started
    finally:
        started.stop()


def start_worker(stand: Stand, slots: int, queues: str) -> WorkerProcess:
    """Start a worker; the caller stops it."""
    variables = {
        "WORKER_CONCURRENCY": str(slots),
        "WORKER_QUEUES": queues,
        "WORKER_HANDLERS": "tools.bench.handlers",
    }
    return _start(stand, "worker", variables)


def _start(stand: Stand, module: str, variables: Mapping[str, str]) -> WorkerProcess:
    log = stand.folder / f"{module}-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            bound([sys.executable, "-m", module]),
            cwd=ROOT,
            env=stand.environment() | dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return WorkerProcess(process, log, module)
