"""Real processes of the Procfile, started and stopped by a test."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.waiting import wait_for

ROOT = Path(__file__).parent.parent


@dataclass
class Running:
    """A process and what it has logged."""

    process: subprocess.Popen[bytes]
    output: Path
    errors: Path = field(repr=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> list[dict[str, Any]]:
        """Return the log lines so far."""
        lines = self.output.read_bytes().splitlines()
        return [orjson.loads(line) for line in lines if line.startswith(b"{")]

    def wait_for_event(self, event: str) -> dict[str, Any]:
        """Wait for a log line and return it."""

        def look() -> dict[str, Any] | None:
            if self.process.poll() is not None:
                raise AssertionError(
                    f"it ended: {self.errors.read_text()}{self.output.read_text()}"
                )
            return next((line for line in self.log() if line["event"] == event), None)

        return wait_for(look) or {}

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 20) -> int:
        """Wait for its end and return the exit code."""
        return self.process.wait(seconds)

    def stop(self) -> int:
        """Tell it to stop and return the exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it as the kernel would."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


Start = Callable[..., Running]


def start(
    folder: Path, module: str, number: int, *arguments: str, cwd: Path = ROOT, **environment: str
) -> Running:
    """Start `python -m module` with additions to the environment; its output goes to files."""
    output, errors = folder / f"{module}.{number}.log", folder / f"{module}.{number}.err"
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=cwd,
            env={**os.environ, **environment},
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
        )
    return Running(process, output, errors)
