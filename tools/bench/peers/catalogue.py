"""Which peers are measured, how each is set up, and what it promises.

Settings are those that a peer's own documentation recommends for throughput. Where a peer can be
had with at-least-once delivery and without, each has a row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tools.bench.errors import BenchError

Store = Literal["redis everysec", "redis always", "postgres", "mysql", "mariadb"]

OURS = "rowlease"
LASTING: dict[Store, str] = {
    "redis everysec": "loses up to a second",
    "redis always": "loses nothing",
    "postgres": "loses nothing",
    "mysql": "loses nothing",
    "mariadb": "loses nothing",
}
"""What a crash of the store's machine does to tasks that were accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the tables: a peer, set up in one way, on one store.

    program is a module of `apps`, or a file of it for node; requires are the packages of its
    environment; variant is what the program is told to be. delivery says what a kill of the worker
    does to the tasks that it holds; with recovery_seconds these are waited for so long after it.
    Who polls asks its store for tasks every so often.
    """

    peer: str
    store: Store
    program: str
    requires: tuple[str, ...] = ()
    variant: str = ""
    settings: str
    delivery: str
    keeps: str
    recovery_seconds: float = 0
    polls: bool = False
    python: tuple[int, int] = (3, 11)

    @property
    def name(self) -> str:
        """How tables call it: "celery acks_late, redis everysec"."""
        return f"{self.peer} {self.variant}".strip() + f", {self.store}"

    @property
    def is_ours(self) -> bool:
        """Whether it is this project's."""
        return self.peer == OURS

    @property
    def is_node(self) -> bool:
        """Whether it runs by node."""
        return self.program.endswith(".cjs")

    @property
    def is_brief(self) -> bool:
        """Whether only throughput is taken, as the rest is that of another row."""
        return self.store == "redis always"


AT_MOST_ONCE = "at most once: lost"

_OURS = Row(
    peer=OURS,
    store="mysql",
    program="rowlease",
    settings="WORKER_CONCURRENCY=500; history of attempts kept; a reaper beside",
    keeps="a row for each task, its payload and its attempts, for as long as one wants",
    delivery="at least once, fenced: run again once the worker's leases are swept",
    recovery_seconds=20,
)

_HUEY = Row(
    peer="huey",
    store="redis everysec",
    program="huey",
    requires=("huey", "redis"),
    settings="one process of 4 threads, no results",
    keeps="a message in a list, until it is taken",
    delivery=AT_MOST_ONCE,
)

_CELERY = Row(
    peer="celery",
    store="redis everysec",
    program="celery",
    requires=("celery[redis]", "kombu", "redis"),
    settings="prefork of 1, prefetch multiplier 128, no results, no gossip, mingle, heartbeat",
    keeps="a message in a list, until it is taken or acknowledged",
    delivery="at most once: what runs is lost, what is prefetched comes back after an hour",
)
_CELERY_LATE = replace(
    _CELERY,
    variant="acks_late",
    settings=f"{_CELERY.settings}; acks_late",
    delivery="at least once: comes back after an hour (visibility_timeout)",
)
_TASKIQ = Row(
    peer="taskiq",
    store="redis everysec",
    program="taskiq",
    requires=("taskiq", "taskiq-redis", "uvloop"),
    variant="list",
    settings="one process, 500 tasks at once, 500 prefetched, uvloop",
    keeps="a message in a list, or in a stream where none is removed",
    delivery=AT_MOST_ONCE,
)
_TASKIQ_STREAM = replace(
    _TASKIQ,
    variant="stream",
    delivery="at least once: comes back after ten minutes (idle_timeout)",
)
_RQ = Row(
    peer="rq",
    store="redis everysec",
    program="rq",
    requires=("rq", "redis"),
    settings="SimpleWorker, which does not fork for each task; results not kept",
    keeps="a hash for each task, until it is done, and lists and sets of their ids",
    delivery="at most once: ends as failed",
)
_ARQ = Row(
    peer="arq",
    polls=True,
    store="redis everysec",
    program="arq",
    requires=("arq", "redis"),
    settings="100 tasks at once, results not kept",
    keeps="a key for each task, until it is done, and a set of their ids",
    delivery="at least once: comes back after the task's timeout (5 minutes)",
)
_DRAMATIQ = Row(
    peer="dramatiq",
    polls=True,
    store="redis everysec",
    program="dramatiq",
    requires=("dramatiq[redis]", "redis"),
    settings="one process of 8 threads",
    keeps="a message for each task in a hash, until it is acknowledged, and a list of their ids",
    delivery="at least once: comes back after a minute (heartbeat_timeout)",
)
_SAQ = Row(
    peer="saq",
    store="redis everysec",
    program="saq",
    requires=("saq[hiredis]", "redis", "typing-extensions"),
    settings="100 tasks at once",
    keeps="a key for each task, for ten minutes after its end, and sets of their ids",
    delivery="at least once for tasks with retries: swept every minute",
)
_BULLMQ = Row(
    peer="bullmq",
    store="redis everysec",
    program="bullmq.cjs",
    requires=("bullmq", "ioredis"),
    settings="node, 100 tasks at once, finished ones removed",
    keeps="a hash for each task, until it is done, and lists of their ids",
    delivery="at least once: comes back after half a minute (stalledInterval)",
)
_PROCRASTINATE = Row(
    peer="procrastinate",
    store="postgres",
    program="procrastinate",
    requires=("procrastinate", "psycopg[binary,pool]"),
    settings="50 tasks at once",
    keeps="a row for each task, and a row for each of its events",
    delivery="at least once, by a task of one's own that takes stalled ones back",
)
_PGQUEUER = Row(
    peer="pgqueuer",
    store="postgres",
    program="pgqueuer",
    requires=("pgqueuer", "asyncpg", "uvloop"),
    variant="batch 10",
    settings="batches of 10; finished tasks deleted",
    keeps="a row for each task, until it is done, and a log of what became of it; no fence",
    delivery="at least once, no fence: comes back after half a minute",
)
_GRAPHILE = Row(
    peer="graphile-worker",
    store="postgres",
    program="graphile.cjs",
    requires=("graphile-worker",),
    settings="node, 24 tasks at once, local queue of 500, completions batched; tasks deleted",
    keeps="a row for each task, until it is done; no history",
    delivery="at least once: comes back after four hours",
)
_OBAN = Row(
    peer="oban",
    store="postgres",
    program="oban",
    requires=("oban", "psycopg[binary,pool]"),
    settings="100 tasks at once",
    keeps="a row for each task, for a day; no history of attempts, no fence",
    delivery="at least once, no fence: rescued after five minutes",
    python=(3, 12),
)
_CHANCY = Row(
    peer="chancy",
    store="postgres",
    program="chancy",
    requires=("chancy", "psycopg[binary,pool]"),
    settings="100 tasks at once",
    keeps="a row for each task, for a while; ends are written once a second, all together",
    delivery="at least once: comes back after a minute and a half",
)
_DBWORKER = Row(
    peer="dbworker",
    polls=True,
    store="mysql",
    program="dbworker",
    requires=("dbworker", "pymysql"),
    settings="4 at once, each in a process",
    keeps="a row for each task, and one for its state",
    delivery="at least once: comes back after half a minute",
    python=(3, 12),
)

_ON_REDIS: Sequence[Row] = (
    _CELERY,
    _CELERY_LATE,
    _RQ,
    _ARQ,
    _DRAMATIQ,
    _HUEY,
    _TASKIQ,
    _TASKIQ_STREAM,
    _SAQ,
    _BULLMQ,
)

_ON_DATABASES: Sequence[Row] = (
    _PROCRASTINATE,
    _PGQUEUER,
    replace(_PGQUEUER, variant="batch 100", settings="batches of 100; finished tasks deleted"),
    _OBAN,
    _CHANCY,
    _GRAPHILE,
    _DBWORKER,
    replace(
        _CELERY,
        store="mysql",
        requires=("celery[sqlalchemy]", "kombu", "sqlalchemy", "pymysql"),
        polls=True,
    ),
    replace(_HUEY, store="mysql", requires=("huey", "peewee", "pymysql"), polls=True),
)

OURS_ROWS = (_OURS, replace(_OURS, store="mariadb"))


def rows(peers: Sequence[str] = ()) -> list[Row]:
    """Return the rows of these peers, of all if none is named; BenchError for an unknown one."""
    every = list(_every_row())
    known = {row.peer for row in every}
    unknown = sorted(set(peers) - known)
    if unknown:
        raise BenchError(f"There is no peer {unknown[0]}: there are {', '.join(sorted(known))}.")
    return [row for row in every if not peers or row.peer in peers]


def _every_row() -> Iterator[Row]:
    for row in _ON_REDIS:
        yield row
        yield replace(row, store="redis always")
    yield from _ON_DATABASES
