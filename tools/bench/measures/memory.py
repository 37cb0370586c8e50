"""Memory: what a worker process holds after its first tasks, and many tasks later."""

from dataclasses import dataclass

from tools.bench import filling
from tools.bench.draining import wait_until_done
from tools.bench.figures import Figure
from tools.bench.filling import waiting_task
from tools.bench.processes import resident_bytes
from tools.bench.stand import Stand
from tools.bench.workers import workers

FIRST, LATER = "first", "later"


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a worker process, without its children."""

    first: int = 1_000
    later: int = 100_000
    slots: int = 500

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        stand.empty()
        counts = {FIRST: self.first, LATER: self.later}
        for queue, count in counts.items():
            filling.pause(stand.engine, queue)
            filling.fill(stand.engine, waiting_task(queue), count)
        sizes = []
        with workers(stand, slots=self.slots) as started:
            for queue, count in counts.items():
                filling.resume(stand.engine, queue)
                wait_until_done(stand.engine, queue, count, started)
                sizes.append(resident_bytes(started[0].pid) / 2**20)
        return [
            Figure("after the first tasks", sizes[0], "MiB"),
            Figure("many tasks later", sizes[1], "MiB"),
            Figure("later against first", sizes[1] / sizes[0], "x", at_most=1.05),
        ]
