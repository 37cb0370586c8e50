"""Where a soak takes place: private servers, ways to them that can be cut, and the processes."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
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
class System:
    """The processes, whatever they stand on, and what is kept of their work.

    `engine` is the run's own way to the database, which no fault cuts.
    """

    folder: Path
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


@dataclass(frozen=True, slots=True)
class Stand(System):
    """A system on private servers, and the ways that its processes take to the database."""

    server: Database
    cache: Redis
    ways: Sequence[Proxy]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the database is: for the run itself, and for each kind of process."""

    own: str
    web: str
    workers: str
    reapers: str


@contextmanager
def stand(kind: DatabaseKind, parent: Path, crew: Crew | None = None) -> Iterator[Stand]:
    """Start everything in a new folder of `parent`; the servers' data go at the end, logs stay."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=parent))
    with ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix="servers-"))
        server = stack.enter_context(database(kind, Path(data, kind)))
        cache = stack.enter_context(redis(Path(data, "redis")))
        ways = [stack.enter_context(proxy(server.url)) for _ in range(3)]
        addresses = Addresses(server.url, *(way.url for way in ways))
        base = stack.enter_context(system(folder, addresses, crew or Crew(), REDIS_URL=cache.url))
        yield Stand(
            base.folder,
            base.keeper,
            base.api_ports,
            base.engine,
            server=server,
            cache=cache,
            ways=ways,
        )


@contextmanager
def system(folder: Path, addresses: Addresses, crew: Crew, **environment: str) -> Iterator[System]:
    """Migrate the database and start the processes; they end with the block."""
    migrate(addresses.own)
    engine = create_thread_engine(DatabaseAddress.parse(addresses.own), connections=5)
    ports = [free_port() for _ in range(crew.apis)]
    keeper = Keeper(_processes(folder, addresses, crew, ports, environment))
    made = System(folder, keeper, ports, engine)
    made.effects.touch()
    keeper.start()
    try:
        yield made
    finally:
        keeper.stop()
        engine.dispose()


def _processes(
    folder: Path,
    addresses: Addresses,
    crew: Crew,
    ports: Sequence[int],
    environment: Mapping[str, str],
) -> list[Process]:
    common = {"LOG_FORMAT": "json", "RETRY_BACKOFF_MAX_SECONDS": "2", **environment}

    def process(module: str, number: int, url: str, **more: str) -> Process:
        log = folder / f"{module}-{number}.log"
        variables = {**common, "DATABASE_URL": url, **more}
        return Process(f"{module}-{number}", module, variables, log)

    work = {
        "WORKER_HANDLERS": "tools.faults.handlers",
        "WORKER_CONCURRENCY": str(crew.slots),
        "WORKER_GRACE_SECONDS": "2",
        "EFFECTS": str(folder / "effects.jsonl"),
    }
    care = {"WORKER_DEAD_SECONDS": "5", "STOP_GRACE_SECONDS": "3"}
    apis = [
        process("api", number, addresses.web, PORT=str(port), HOST=LOOPBACK)
        for number, port in enumerate(ports)
    ]
    return [
        *apis,
        *(process("worker", number, addresses.workers, **work) for number in range(crew.workers)),
        *(process("reaper", number, addresses.reapers, **care) for number in range(crew.reapers)),
    ]


def migrate(url: str) -> None:
    """Make the tables."""
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        check=True,
        capture_output=True,
    )
