"""Load on an HTTP server by wrk, a program of its own: a client in Python would be the limit."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.bench.errors import BenchError
from tools.servers.ports import LOOPBACK

_POST = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[{body}]==]
"""


@dataclass(frozen=True, slots=True)
class Load:
    """Connections that send the same request again and again, for so many seconds."""

    connections: int
    seconds: float
    folder: Path

    def requests_per_second(self, port: int, path: str, body: Any = None) -> float:
        """Return how many requests are answered; raises BenchError when one is refused."""
        if shutil.which("wrk") is None:
            raise BenchError("wrk is not installed: apt-get install wrk.")
        url = f"http://{LOOPBACK}:{port}{path}"
        rate = f"-c{self.connections}", f"-d{max(round(self.seconds), 1)}s"
        command = ["wrk", "-t1", *rate, *self._script(body), url]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        found = re.search(r"Requests/sec:\s+([\d.]+)", told)
        if found is None or "Non-2xx" in told or "Socket errors" in told:
            raise BenchError(f"{path} was not always answered: {told}")
        return float(found[1])

    def _script(self, body: Any) -> list[str]:
        if body is None:
            return []
        script = self.folder / "post.lua"
        script.write_text(_POST.format(body=json.dumps(body)))
        return ["-s", str(script)]
