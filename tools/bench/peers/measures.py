"""What is measured of each row; ours and peers by the same code.

Tasks are no-op but for one thing: each notes its number and the moment, in a file of its worker.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tools.bench.errors import BenchError
from tools.bench.figures import Figure, quantile
from tools.bench.peers import journal
from tools.bench.peers.catalogue import Row
from tools.bench.peers.programs import Client, Made, Programs, Worker
from tools.bench.peers.stores import Place
from tools.bench.peers.targets import LOST, RUN_BY_BOTH
from tools.bench.processes import cpu_seconds, proportional_bytes

LOOK_SECONDS = 0.02
START_SECONDS = 30.0
CALM_SECONDS = 1.0
WARM_TASKS = 5
KILL_LOOK_SECONDS = 0.002
KILL_SHARE = 0.2
PROGRESS_SECONDS = 2.0
"""After so long without a task a worker will not carry out more of them soon."""

BEGIN_SECONDS = 12.0
"""Who has carried out nothing so long after the kill finds nothing to do."""

AFTER_KILL_SECONDS = 8.0
KILL_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many tasks, and for how long at most: who is slow creates and drains fewer of them."""

    tasks: int = 20_000
    one_by_one: int = 2_000
    create_seconds: float = 1.0
    fill_seconds: float = 2.0
    drain_seconds: float = 3.0
    pickups: int = 80
    pause_seconds: float = 0.03
    idle_seconds: float = 2.0
    killed_tasks: int = 2_000


@dataclass(frozen=True, slots=True)
class Subject:
    """A row on its empty store."""

    row: Row
    place: Place
    programs: Programs
    sizes: Sizes


def drain(subject: Subject) -> list[Figure]:
    """Create one by one and in bulk, then drain by one worker process."""
    sizes = subject.sizes
    with subject.programs.client() as client:
        client.create(WARM_TASKS, START_SECONDS, in_bulk=False)
        single = client.create(sizes.one_by_one, sizes.create_seconds, in_bulk=False)
        bulk = _fill(subject, client, sizes.tasks)
    return [
        Figure("enqueued one by one", single.per_second, "tasks/s"),
        Figure("enqueued in bulk", bulk.per_second, "tasks/s"),
        *_drained(subject, client.created, 1),
    ]


def drain_by_two(subject: Subject) -> list[Figure]:
    """Drain by two worker processes."""
    with subject.programs.client() as client:
        made = _fill(subject, client, subject.sizes.tasks).made
    return _drained(subject, made, 2)


def pickup(subject: Subject) -> list[Figure]:
    """Create tasks for a worker that idles, then let it idle on."""
    sizes = subject.sizes
    with subject.programs.client() as client, subject.programs.workers(1) as workers:
        client.create(WARM_TASKS, START_SECONDS, in_bulk=False)
        _wait(workers, WARM_TASKS, START_SECONDS)
        begun = client.pace(sizes.pickups, sizes.pause_seconds)
        _wait(workers, WARM_TASKS + sizes.pickups, START_SECONDS)
        ended = journal.moments_by_number(worker.journal for worker in workers)
        waits = [(ended[WARM_TASKS + at] - moment) / 1e6 for at, moment in enumerate(begun)]
        time.sleep(CALM_SECONDS)
        pids = (workers[0].pid, subject.place.pid)
        worker_share, store_share = _shares(pids, sizes.idle_seconds)
        memory = proportional_bytes(workers[0].pid) / 2**20
    return [
        *(Figure(f"pickup p{part}", quantile(waits, part / 100), "ms") for part in (50, 95, 99)),
        Figure("idle worker", worker_share, "% of a core"),
        Figure("store with an idle worker", store_share, "% of a core"),
        Figure("memory of an idle worker", memory, "MiB"),
    ]


def kill(subject: Subject) -> list[Figure]:
    """Kill a worker in the middle of a drain, start another, and look which tasks are missing."""
    with subject.programs.client() as client:
        made = _fill(subject, client, subject.sizes.killed_tasks).made
    with subject.programs.companions(), subject.programs.workers(1) as first:
        _wait(first, int(made * KILL_SHARE), START_SECONDS + made, KILL_LOOK_SECONDS)
        first[0].kill()
        killed_at = time.monotonic()
        with subject.programs.workers(1) as second:
            journals = [each.journal for each in (*first, *second)]
            soon = late = _missing_after(journals, made, killed_at, AFTER_KILL_SECONDS)
            recovery = subject.row.recovery_seconds
            if soon and recovery:
                late = _missing_after(journals, made, killed_at, recovery)
        times = journal.times_by_number(journals)
    return [
        Figure(f"missing {AFTER_KILL_SECONDS:.0f} s after a kill", soon, "tasks"),
        *([Figure(LOST, late, "tasks")] if recovery else []),
        Figure("run again", sum(each > 1 for each in times.values()), "tasks"),
    ]


MEASURES: Mapping[str, Callable[[Subject], list[Figure]]] = {
    "drain": drain,
    "drain by two": drain_by_two,
    "pickup": pickup,
    "kill": kill,
}
BRIEF = ("drain",)
"""What is taken of a row that differs from another only in when its store writes; of ours too,
beside each peer.
"""


def _fill(subject: Subject, client: Client, tasks: int) -> Made:
    made = client.create(tasks - client.created, subject.sizes.fill_seconds, in_bulk=True)
    subject.place.settle()
    return made


def _drained(subject: Subject, tasks: int, processes: int) -> list[Figure]:
    """Drain until nothing is left or the time is over; how fast that was, and at what cost."""
    with subject.programs.workers(processes) as workers:
        journals = [worker.journal for worker in workers]
        _wait(workers, 1, START_SECONDS)
        start, before = journal.count(journals), _cost(subject, workers)
        _wait(workers, tasks, subject.sizes.drain_seconds, gently=True)
        done, after = journal.count(journals) - start, _cost(subject, workers)
    rate = journal.per_second(journals)
    if not rate:
        raise BenchError(f"One of {processes} workers found next to nothing left to do.")
    suffix = "" if processes == 1 else f" by {processes}"
    costs = [(late - early) / max(done, 1) * 1e6 for early, late in zip(before, after, strict=True)]
    twice = sum(each > 1 for each in journal.times_by_number(journals).values())
    return [
        Figure(f"drained{suffix}", rate, "tasks/s"),
        Figure(f"worker CPU per task{suffix}", costs[0], "us"),
        Figure(f"store CPU per task{suffix}", costs[1], "us"),
        *([Figure(RUN_BY_BOTH, twice, "tasks")] if processes > 1 else []),
    ]


def _cost(subject: Subject, workers: Sequence[Worker]) -> tuple[float, float]:
    return sum(cpu_seconds(worker.pid) for worker in workers), cpu_seconds(subject.place.pid)


def _shares(pids: Sequence[int], seconds: float) -> list[float]:
    before = [cpu_seconds(pid) for pid in pids]
    time.sleep(seconds)
    return [
        (cpu_seconds(pid) - start) / seconds * 100 for pid, start in zip(pids, before, strict=True)
    ]


def _wait(
    workers: Sequence[Worker],
    tasks: int,
    seconds: float,
    look_seconds: float = LOOK_SECONDS,
    *,
    gently: bool = False,
) -> None:
    """Wait until so many tasks were carried out; without `gently`, BenchError when they are not."""
    journals = [worker.journal for worker in workers]
    end = time.monotonic() + seconds
    while journal.count(journals) < tasks:
        for worker in workers:
            worker.require_alive()
        if time.monotonic() > end:
            if gently:
                return
            done = journal.count(journals)
            raise BenchError(f"Of {tasks} tasks {done} were carried out in {seconds:.0f} s.")
        time.sleep(look_seconds)


def _missing_after(
    journals: Sequence[journal.Journal], tasks: int, since: float, seconds: float
) -> int:
    """Wait so long, and on until the last worker has begun and has nothing more to do.

    Returns how many tasks were never carried out.
    """
    progress, seen = time.monotonic(), -1
    while len(journal.times_by_number(journals)) < tasks:
        now, count = time.monotonic(), journal.count(journals)
        if count != seen:
            progress, seen = now, count
        has_begun = journals[-1].count() > 0 or now - since >= BEGIN_SECONDS
        is_idle = has_begun and now - progress >= PROGRESS_SECONDS
        if (is_idle and now - since >= seconds) or now - since >= KILL_PATIENCE_SECONDS:
            break
        time.sleep(LOOK_SECONDS)
    return tasks - len(journal.times_by_number(journals))
