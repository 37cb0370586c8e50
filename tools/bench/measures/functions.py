"""Functions: no-op `def` tasks, each handed to a child process and back."""

from dataclasses import dataclass

from tools.bench.draining import Load, drain
from tools.bench.figures import Figure
from tools.bench.handlers import NOOP_FUNCTION
from tools.bench.stand import Stand


@dataclass(frozen=True, slots=True)
class Functions:
    """Tasks per second of one worker process whose children are warm."""

    tasks: int = 20_000
    slots: int = 32

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        drained = drain(stand, Load(NOOP_FUNCTION, self.tasks, self.slots))
        return [
            Figure("one worker process", drained.tasks_per_second, "tasks/s", at_least=2_500),
            Figure("CPU per task of it and its children", drained.worker_microseconds, "us"),
            Figure("server CPU per task", drained.server_microseconds, "us"),
            Figure("other CPU meanwhile", drained.busy_elsewhere, "cores"),
        ]
