"""Scaling: the same drain by more worker processes, which must not be slower."""

from dataclasses import dataclass

from tools.bench.draining import Load, drain
from tools.bench.figures import Figure
from tools.bench.handlers import NOOP
from tools.bench.stand import Stand


@dataclass(frozen=True, slots=True)
class Scaling:
    """Tasks per second by one worker process, two, four ... `most`, right after each other."""

    tasks: int = 60_000
    slots: int = 500
    most: int = 8

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        rates = {
            processes: drain(stand, Load(NOOP, self.tasks, self.slots, processes)).tasks_per_second
            for processes in self._processes()
        }
        return [
            *(Figure(f"{count} processes", rate, "tasks/s") for count, rate in rates.items()),
            *(
                Figure(f"{count} against one", rate / rates[1], "x", at_least=1)
                for count, rate in rates.items()
                if count > 1
            ),
        ]

    def _processes(self) -> list[int]:
        return [2**power for power in range(self.most.bit_length()) if 2**power <= self.most]
