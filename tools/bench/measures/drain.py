"""Drain: no-op coroutine tasks through one worker process, beside the bare loop."""

from dataclasses import dataclass

from tools.bench import bare, draining, filling
from tools.bench.draining import Load, drain, tasks_per_second
from tools.bench.figures import Figure
from tools.bench.filling import QUEUE, waiting_task
from tools.bench.handlers import NOOP
from tools.bench.stand import Stand

TASKS_PER_SECOND = {"mysql": 9_000, "mariadb": 12_000}
SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Drain:
    """Tasks per second of a worker and of the bare loop, one right after the other."""

    tasks: int = 60_000
    slots: int = 500
    batch: int = 500

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        drained = drain(stand, Load(NOOP, self.tasks, self.slots))
        limit = self._bare(stand)
        rate = drained.tasks_per_second
        wanted = TASKS_PER_SECOND[stand.kind]
        return [
            Figure("one worker process", rate, "tasks/s", at_least=wanted),
            Figure("bare loop", limit, "tasks/s"),
            Figure("share of the bare loop", rate / limit, "", at_least=SHARE),
            Figure("worker CPU per task", drained.worker_microseconds, "us"),
            Figure("server CPU per task", drained.server_microseconds, "us"),
            Figure("other CPU meanwhile", drained.busy_elsewhere, "cores"),
            Figure("statements per task", drained.statements, ""),
            Figure("commits per task", drained.commits, ""),
            Figure("history length grown by", drained.history_growth, "transactions"),
        ]

    def _bare(self, stand: Stand) -> float:
        stand.empty()
        filling.fill(stand.engine, waiting_task(), self.tasks)
        bare.drain(stand.engine, QUEUE, self.batch)
        draining.wait_until_done(stand.engine, QUEUE, self.tasks)
        return tasks_per_second(stand.engine, self.tasks)
