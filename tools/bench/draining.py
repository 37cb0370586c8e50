"""Draining a queue by worker processes, and how fast that was."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from tools.bench import filling
from tools.bench.errors import BenchError
from tools.bench.filling import QUEUE, waiting_task
from tools.bench.processes import busy_seconds, cpu_seconds
from tools.bench.stand import Stand
from tools.bench.workers import WorkerProcess, workers

WARM_QUEUE = "warm"
WARM_TASKS_PER_SLOT = 4
PATIENCE_SECONDS = 60.0
SLOWEST_PER_SECOND = 500.0
LOOK_SECONDS = 0.1

_UNFINISHED = "SELECT 1 FROM tasks WHERE status = %s AND queue = %s LIMIT 1"
_SPAN = """SELECT COUNT(*), SUM(status = 'done'),
    TIMESTAMPDIFF(MICROSECOND, MIN(started_at), MAX(finished_at)) / 1e6
FROM tasks WHERE queue = %s"""
_HISTORY = "SELECT COUNT FROM information_schema.innodb_metrics WHERE NAME = 'trx_rseg_history_len'"
_COUNTERS = ("Questions", "Com_commit")
_ASKED = f"SHOW {{}} STATUS WHERE Variable_name IN {_COUNTERS}"


@dataclass(frozen=True, slots=True)
class Load:
    """What is drained, and by how much."""

    task_type: str
    tasks: int
    slots: int
    processes: int = 1


@dataclass(frozen=True, slots=True)
class Drained:
    """How fast a queue was drained, and at what cost.

    tasks_per_second runs from the first started_at to the last finished_at in the database.
    Microseconds of processor time are per task; busy_elsewhere is the processor time per second
    that went to anything but the workers and the server. Statements and commits are the workers',
    per task; history_growth is by how many transactions what is to be purged grew.
    """

    tasks_per_second: float
    worker_microseconds: float
    server_microseconds: float
    busy_elsewhere: float
    statements: float
    commits: float
    history_growth: float


def drain(stand: Stand, load: Load) -> Drained:
    """Fill a queue, drain it by worker processes that are warm, and return how fast that was."""
    stand.empty()
    warm_tasks = WARM_TASKS_PER_SLOT * load.slots * load.processes
    for queue, count in ((WARM_QUEUE, warm_tasks), (QUEUE, load.tasks)):
        filling.pause(stand.engine, queue)
        filling.fill(stand.engine, waiting_task(queue, load.task_type), count)
    with workers(stand, slots=load.slots, queues=["*"] * load.processes) as started:
        filling.resume(stand.engine, WARM_QUEUE)
        wait_until_done(stand.engine, WARM_QUEUE, warm_tasks, started)
        before = _Clock.read(stand, started)
        filling.resume(stand.engine, QUEUE)
        wait_until_done(stand.engine, QUEUE, load.tasks, started)
        after = _Clock.read(stand, started)
    return after.since(before, load.tasks, tasks_per_second(stand.engine, load.tasks))


def tasks_per_second(engine: Engine, tasks: int) -> float:
    """Return how fast the queue was drained; BenchError when not all of it was."""
    with engine.connect() as connection:
        found, done, seconds = connection.exec_driver_sql(_SPAN, (QUEUE,)).one()
    if (found, done) != (tasks, tasks):
        raise BenchError(f"Of {tasks} tasks {found} were found and {done} are done.")
    return tasks / float(seconds)


def wait_until_done(
    engine: Engine, queue: str, tasks: int, started: Sequence[WorkerProcess] = ()
) -> None:
    """Wait until nothing of a queue waits or runs, as long as the workers live."""
    end = time.monotonic() + PATIENCE_SECONDS + tasks / SLOWEST_PER_SECOND
    while _is_unfinished(engine, queue):
        for worker in started:
            worker.require_alive()
        if time.monotonic() > end:
            raise BenchError(f"The queue {queue} was not drained in time.")
        time.sleep(LOOK_SECONDS)


def history_length(engine: Engine) -> int:
    """Return how many transactions the server has not purged yet."""
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(_HISTORY).scalar() or 0)


def _asked_by_others(engine: Engine) -> tuple[int, int]:
    """Return the statements and the commits that the server was asked for by all but us."""
    with engine.connect() as connection:
        everyone, ours = (
            {row.Variable_name: int(row.Value) for row in connection.exec_driver_sql(query)}
            for query in (_ASKED.format("GLOBAL"), _ASKED.format("SESSION"))
        )
    statements, commits = (everyone[name] - ours[name] for name in _COUNTERS)
    return statements, commits


def _is_unfinished(engine: Engine, queue: str) -> bool:
    with engine.connect() as connection:
        return any(
            connection.exec_driver_sql(_UNFINISHED, (status, queue)).first()
            for status in ("to_do", "in_progress", "retrying")
        )


@dataclass(frozen=True, slots=True)
class _Clock:
    """Readings in seconds: of the clock, of the workers' and the server's processor time."""

    now: float
    workers: float
    server: float
    machine: float
    statements: int
    commits: int
    history: int

    @classmethod
    def read(cls, stand: Stand, started: list[WorkerProcess]) -> "_Clock":
        statements, commits = _asked_by_others(stand.engine)
        return cls(
            now=time.monotonic(),
            workers=sum(cpu_seconds(worker.pid) for worker in started),
            server=cpu_seconds(stand.server.pid),
            machine=busy_seconds(),
            statements=statements,
            commits=commits,
            history=history_length(stand.engine),
        )

    def since(self, start: "_Clock", tasks: int, rate: float) -> Drained:
        workers, server = self.workers - start.workers, self.server - start.server
        elsewhere = self.machine - start.machine - workers - server
        return Drained(
            tasks_per_second=rate,
            worker_microseconds=workers / tasks * 1e6,
            server_microseconds=server / tasks * 1e6,
            busy_elsewhere=max(elsewhere, 0.0) / (self.now - start.now),
            statements=(self.statements - start.statements) / tasks,
            commits=(self.commits - start.commits) / tasks,
            history_growth=self.history - start.history,
        )
