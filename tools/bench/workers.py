"""Worker processes, started as they are deployed."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
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
    """A process of `python -m worker` and the file that it logs to."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def wait_until_started(self) -> None:
        """Wait for its "worker started"; raises BenchError when that does not come."""
        end = time.monotonic() + START_SECONDS
        while "worker started" not in self._events():
            self.require_alive()
            if time.monotonic() > end:
                raise BenchError(f"A worker did not start in time: {self.log.read_text()}")
            time.sleep(0.02)

    def require_alive(self) -> None:
        """Raise BenchError when it has ended."""
        code = self.process.poll()
        if code is not None:
            raise BenchError(f"A worker ended with {code}: {self.log.read_text()}")

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


def start_worker(stand: Stand, slots: int, queues: str) -> WorkerProcess:
    """Start a worker; the caller stops it."""
    log = stand.folder / f"worker-{time.monotonic_ns()}.log"
    variables = {
        "WORKER_CONCURRENCY": str(slots),
        "WORKER_QUEUES": queues,
        "WORKER_HANDLERS": "tools.bench.handlers",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            bound([sys.executable, "-m", "worker"]),
            cwd=ROOT,
            env=stand.environment() | variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return WorkerProcess(process, log)
