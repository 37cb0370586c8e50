"""Where a soak takes place: private servers, ways to them that can be cut, and the processes."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_thread_engine
from tools.servers import Database, DatabaseKind, Redis, database, redis
from tools.servers.ports import LOOPBACK, free_port
from tools.servers.proxy import Proxy, proxy
from tools.soak.processes import ROOT, Keeper, Process

LEASE_SECONDS = 20
"""Of most tasks: longer than any fault that does not take the lease away on purpose."""


@dataclass(frozen=True, slots=True)
class Crew:
    """How many processes of each kind there are, and how many tasks each worker runs at once."""

    workers: int = 3
    reapers: int = 2
    apis: int = 1
    slots: int = 20


@dataclass(frozen=True, slots=True)
class Stand:
    """The servers, the ways that the processes take to them, and the processes.

    `engine` is the run's own way to the database, which no fault cuts.
    """

    folder: Path
    server: Database
    cache: Redis
    ways: Sequence[Proxy]
    keeper: Keeper
    api_ports: Sequence[int]
    engine: Engine

    @property
    def acks(self) -> Path:
        """What the API promised."""
        return self.folder / "acks.jsonl"

    @property
    def effects(self) -> Path:
        """What handlers did."""
        return self.folder / "effects.jsonl"


@contextmanager
def stand(kind: DatabaseKind, parent: Path, crew: Crew | None = None) -> Iterator[Stand]:
    """Start everything in a new folder of `parent`; the servers' data go at the end, logs stay."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=parent))
    with ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix="servers-"))
        server = stack.enter_context(database(kind, Path(data, kind)))
        _migrate(server.url)
        cache = stack.enter_context(redis(Path(data, "redis")))
        ways = [stack.enter_context(proxy(server.url)) for _ in range(3)]
        engine = create_thread_engine(DatabaseAddress.parse(server.url), connections=5)
        stack.callback(engine.dispose)
        wanted = crew or Crew()
        ports = [free_port() for _ in range(wanted.apis)]
        keeper = Keeper(_processes(folder, cache.url, [way.url for way in ways], wanted, ports))
        made = Stand(folder, server, cache, ways, keeper, ports, engine)
        made.effects.touch()
        keeper.start()
        stack.callback(keeper.stop)
        yield made


def _processes(
    folder: Path, cache_url: str, urls: Sequence[str], crew: Crew, ports: Sequence[int]
) -> list[Process]:
    web, workers, reapers = urls
    common = {"REDIS_URL": cache_url, "LOG_FORMAT": "json", "RETRY_BACKOFF_MAX_SECONDS": "2"}

    def process(module: str, number: int, url: str, **more: str) -> Process:
        log = folder / f"{module}-{number}.log"
        environment = {**common, "DATABASE_URL": url, **more}
        return Process(f"{module}-{number}", module, environment, log)

    work = {
        "WORKER_HANDLERS": "tools.faults.handlers",
        "WORKER_CONCURRENCY": str(crew.slots),
        "WORKER_GRACE_SECONDS": "2",
        "EFFECTS": str(folder / "effects.jsonl"),
    }
    care = {"WORKER_DEAD_SECONDS": "5", "STOP_GRACE_SECONDS": "3"}
    apis = [
        process("api", number, web, PORT=str(port), HOST=LOOPBACK)
        for number, port in enumerate(ports)
    ]
    return [
        *apis,
        *(process("worker", number, workers, **work) for number in range(crew.workers)),
        *(process("reaper", number, reapers, **care) for number in range(crew.reapers)),
    ]


def _migrate(url: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        check=True,
        capture_output=True,
    )
