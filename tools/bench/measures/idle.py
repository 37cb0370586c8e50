"""Idle: what an idle worker process costs, itself and in the server."""

import time
from dataclasses import dataclass

from tools.bench.figures import Figure
from tools.bench.processes import cpu_seconds
from tools.bench.stand import Stand
from tools.bench.workers import workers

SLOTS = 10
CALM_SECONDS = 3.0
"""After its start a worker needs a moment to become idle."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Processor time, in percent of a core."""

    seconds: float = 30.0

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        stand.empty()
        stand.wait_until_quiet()
        (alone,) = self._shares(stand.server.pid)
        with workers(stand, slots=SLOTS) as (worker,):
            time.sleep(min(CALM_SECONDS, self.seconds))
            of_worker, of_server = self._shares(worker.pid, stand.server.pid)
        return [
            Figure("idle worker", of_worker, "% of a core", at_most=1),
            Figure("server with an idle worker", of_server, "% of a core", at_most=1),
            Figure("server alone", alone, "% of a core"),
        ]

    def _shares(self, *pids: int) -> list[float]:
        before = [cpu_seconds(pid) for pid in pids]
        time.sleep(self.seconds)
        used = [cpu_seconds(pid) - start for pid, start in zip(pids, before, strict=True)]
        return [seconds / self.seconds * 100 for seconds in used]
