"""The double of RunningHub in a thread of the test: its clock stands until the test moves it."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import uvicorn

from tests.waiting import wait_for
from tools.runninghub_double.app import build
from tools.runninghub_double.clock import Clock
from tools.runninghub_double.double import Account, Double
from tools.runninghub_double.faults import Fault
from tools.runninghub_double.runs import End, Run
from tools.servers.ports import LOOPBACK, free_port

KEY = "k-0123456789abcdef"
OTHER_KEY = "k-fedcba9876543210"


def fresh() -> Double:
    """Return a double with two keys of one run at a time each, and a clock that stands."""
    return Double({KEY: Account(), OTHER_KEY: Account()}, Clock(runs=False))


@dataclass
class Hub:
    """A double that listens; `stop` and `start` keep what it knows."""

    double: Double = field(default_factory=fresh)
    port: int = field(default_factory=free_port)
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None
    _app: Any = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def runs(self) -> list[Run]:
        """Return all runs, the oldest first."""
        return list(self.double.runs.values())

    @property
    def states(self) -> list[str]:
        """Return where each run stands."""
        now = self.double.clock.now()
        return [str(run.status(now)) for run in self.runs]

    def start(self) -> None:
        """Listen, if it does not."""
        if self._server is not None:
            return
        self._app = build(self.double)
        config = uvicorn.Config(self._app, LOOPBACK, self.port, log_config=None)
        self._server = server = uvicorn.Server(config)
        self._thread = threading.Thread(target=server.run, daemon=True)
        self._thread.start()
        wait_for(lambda: server.started)

    def stop(self) -> None:
        """End it as a crash would: what is held back is cut."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(10)
            self._server = None

    def forget(self) -> None:
        """Be as a new one."""
        self.start()
        self.free()
        self.double = self._app.state.double = fresh()

    def free(self) -> None:
        """Let nothing go wrong any more, and what is held back go on."""
        httpx2.delete(f"{self.url}/double/faults")

    def step(self, seconds: float) -> None:
        """Move its clock on."""
        self.double.clock.advance(seconds)

    def script(self, **how: Any) -> None:
        """Say how runs go from now on."""
        how |= {"end": End(how["end"])} if "end" in how else {}
        self.double.script = replace(self.double.script, **how)

    def wrong(self, call: str, how: Any, value: int = 0, **more: Any) -> None:
        """Let the next calls of a kind go wrong."""
        self.double.faults.waiting.append(Fault(call, how, value, **more))

    def wait_until_held(self, call: str) -> None:
        """Wait until an answer is held back."""
        wait_for(lambda: self.double.faults.held[call])


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Run a double of the test's own."""
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    hub = Hub()
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()
