"""Threads: no-op `def` tasks that ask for a thread of the worker."""

from dataclasses import dataclass

from tools.bench.draining import Load, drain
from tools.bench.figures import Figure
from tools.bench.handlers import NOOP_THREAD
from tools.bench.stand import Stand


@dataclass(frozen=True, slots=True)
class Threads:
    """Tasks per second of one worker process."""

    tasks: int = 20_000
    slots: int = 32

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        drained = drain(stand, Load(NOOP_THREAD, self.tasks, self.slots))
        return [
            Figure("one worker process", drained.tasks_per_second, "tasks/s"),
            Figure("worker CPU per task", drained.worker_microseconds, "us"),
            Figure("server CPU per task", drained.server_microseconds, "us"),
        ]
