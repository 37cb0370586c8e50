"""The API as a process, started as it is deployed, and spoken to as a client would."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tools.bench.errors import BenchError
from tools.bench.stand import ROOT, Stand
from tools.servers.bound import bound
from tools.servers.ports import LOOPBACK, free_port

START_SECONDS = 30.0
ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Api:
    """A process of `python -m api`."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def post(self, path: str, content: Any) -> tuple[Any, float]:
        """Send JSON; return the answer and the seconds from the first byte sent to its last.

        Raises BenchError when it is not 200 or 201.
        """
        body = json.dumps(content)
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=ANSWER_SECONDS)
        begun = time.perf_counter()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        seconds = time.perf_counter() - begun
        connection.close()
        if response.status not in {200, 201}:
            raise BenchError(f"{path} was answered with {response.status}: {answer!r}")
        return json.loads(answer), seconds

    def seconds_to_first_byte(self, path: str) -> float:
        """Ask for a page as a browser does; return the seconds until its answer begins to come.

        Raises BenchError when it is not 200.
        """
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=ANSWER_SECONDS)
        begun = time.perf_counter()
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        response = connection.getresponse()
        seconds = time.perf_counter() - begun
        response.read()
        connection.close()
        if response.status != http.client.OK:
            raise BenchError(f"{path} was answered with {response.status}.")
        return seconds


@contextmanager
def api(stand: Stand, module: str = "api", **environment: str) -> Iterator[Api]:
    """Start the API or what stands in for it, wait until it is ready, end it at the end."""
    port = free_port()
    with (stand.folder / f"{module}-{time.monotonic_ns()}.log").open("wb") as log:
        process = subprocess.Popen(
            bound([sys.executable, "-m", module]),
            cwd=ROOT,
            env=stand.environment() | {"PORT": str(port)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(process, port)
        yield Api(process, port)
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while not _is_ready(port):
        if process.poll() is not None or time.monotonic() > end:
            raise BenchError("The API did not start.")
        time.sleep(0.05)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
