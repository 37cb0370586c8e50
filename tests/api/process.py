"""`python -m api` as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tools.servers.ports import LOOPBACK, free_port

ROOT = Path(__file__).parent.parent.parent


class ApiProcess:
    """A running API: `client` reaches it, `end` ends it."""

    def __init__(self, url: str, **variables: str) -> None:
        port = str(free_port())
        environment = os.environ | {"DATABASE_URL": url, "PORT": port, "LOG_FORMAT": "json"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "api"],
            cwd=ROOT,
            env=environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.client = httpx2.Client(base_url=f"http://{LOOPBACK}:{port}", timeout=10)
        self.stdout = self.stderr = ""

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def wait_until_up(self, path: str = "/livez") -> None:
        """Wait until it answers 200."""
        deadline = time.monotonic() + 20
        while not self._answers(path):
            assert self._process.poll() is None, self._process.communicate()
            assert time.monotonic() < deadline, "it did not come up"
            time.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        if self._process.returncode is None:
            self.stdout, self.stderr = self._process.communicate(timeout=15)
        return self._process.returncode

    def end(self) -> int:
        """End it as a platform does and return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def close(self) -> None:
        """Leave nothing behind."""
        self.client.close()
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def _answers(self, path: str) -> bool:
        try:
            return self.client.get(path).status_code == 200
        except httpx2.TransportError:
            return False


@contextmanager
def api_process(url: str, **variables: str) -> Iterator[ApiProcess]:
    """Start the API on a database, with more environment variables."""
    process = ApiProcess(url, **variables)
    try:
        yield process
    finally:
        process.close()
