"""Load on an HTTP server by wrk, a program of its own: a client in Python would be the limit."""

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.bench.errors import BenchError
from tools.servers.ports import LOOPBACK

_POST = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[{body}]==]
"""

_PACED = """function delay() return {milliseconds} end
function done(summary, latency) io.write("slow: " .. latency:percentile({percentile}) .. "\\n") end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """Connections that send the same request again and again, for so many seconds."""

    connections: int
    seconds: float
    folder: Path

    def requests_per_second(self, port: int, path: str, body: Any = None) -> float:
        """Return how many requests are answered; raises BenchError when one is refused."""
        script = None if body is None else _POST.format(body=json.dumps(body))
        return float(_found(r"Requests/sec:\s+([\d.]+)", self._told(port, path, script)))

    def slowest_seconds(
        self, port: int, path: str, pause_milliseconds: int, percentile: int = 99
    ) -> float:
        """Return what so many of 100 requests took at most, with a pause before each."""
        script = _PACED.format(milliseconds=pause_milliseconds, percentile=percentile)
        told = self._told(port, path, script)
        return float(_found(r"slow: ([\d.]+)", told)) * 1e-6

    def _told(self, port: int, path: str, script: str | None) -> str:
        if shutil.which("wrk") is None:
            raise BenchError("wrk is not installed: apt-get install wrk.")
        url = f"http://{LOOPBACK}:{port}{path}"
        rate = f"-c{self.connections}", f"-d{max(round(self.seconds), 1)}s"
        command = ["wrk", "-t1", *rate, *self._script(script), url]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        if "Requests/sec" not in told or "Non-2xx" in told or "Socket errors" in told:
            raise BenchError(f"{path} was not always answered: {told}")
        return told

    def _script(self, script: str | None) -> list[str]:
        if script is None:
            return []
        with tempfile.NamedTemporaryFile("w", suffix=".lua", dir=self.folder, delete=False) as file:
            file.write(script)
        return ["-s", file.name]


def _found(pattern: str, told: str) -> str:
    found = re.search(pattern, told)
    if found is None:
        raise BenchError(f"wrk did not tell {pattern}: {told}")
    return found[1]
