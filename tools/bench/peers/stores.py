"""Where peers keep their tasks: private servers, empty for each measure."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql

from tools.bench.peers.catalogue import Row, Store
from tools.bench.stand import DURABLE, require_disk
from tools.servers import Database, DatabaseKind, Postgres, Server, database, postgres, redis
from tools.servers.installing import ensure_database, ensure_postgres, ensure_redis
from tools.servers.ports import LOOPBACK

NAME = "bench"


@dataclass(frozen=True, slots=True)
class Place:
    """An empty store: its address, and the server's process."""

    url: str
    server: Server

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.server.pid

    def settle(self) -> None:
        """Let the store know what it holds, as it would after a while: ANALYZE in PostgreSQL."""
        if isinstance(self.server, Postgres):
            self.server.run("VACUUM ANALYZE", NAME)


class Stores:
    """Servers, each started when it is first asked for; all end with `opened`."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._servers: dict[Store, Server] = {}
        self._redis_version = ""

    @contextmanager
    def empty(self, row: Row) -> Iterator[Place]:
        """Provide an empty store for a row; a Redis is a new one each time."""
        if row.store in {"redis everysec", "redis always"}:
            fsync = row.store.split()[1]
            ensure_redis()
            options = ["--appendonly", "yes", "--appendfsync", fsync]
            with self._new_folder("redis") as name, redis(Path(name), options) as cache:
                self._redis_version = cache.version
                yield Place(cache.url, cache)
            return
        server = self.server(row.store)
        yield Place(_emptied(server, keep=row.is_ours), server)

    def server(self, store: Store) -> Server:
        """Return the running server of a database."""
        if store not in self._servers:
            made = _made(store, Path(self._stack.enter_context(self._new_folder(store))))
            self._servers[store] = self._stack.enter_context(made)
        return self._servers[store]

    def versions(self) -> dict[str, str]:
        """Return the versions of the servers that were started."""
        versions = {str(store): server.version for store, server in self._servers.items()}
        return versions | ({"redis": self._redis_version} if self._redis_version else {})

    def _new_folder(self, store: str) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix=f"{store}-", dir=self._folder)


@contextmanager
def opened(folder: Path) -> Iterator[Stores]:
    """Provide stores in a folder on a disk; what they kept goes at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    require_disk(folder)
    with ExitStack() as stack:
        yield Stores(folder, stack)


def _made(store: Store, folder: Path) -> Database | Postgres:
    if store == "postgres":
        ensure_postgres()
        return postgres(folder)
    kind: DatabaseKind = "mysql" if store == "mysql" else "mariadb"
    ensure_database(kind)
    return database(kind, folder, DURABLE[kind])


def _emptied(server: Server, *, keep: bool) -> str:
    """Return the address of a database that is new, or there for what empties it itself."""
    if isinstance(server, Postgres):
        server.run(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        server.run(f"CREATE DATABASE {NAME}")
        return server.url_of(NAME)
    name = f"{NAME}_kept" if keep else NAME
    drop = [] if keep else [f"DROP DATABASE IF EXISTS {name}"]
    _change(server.port, [*drop, f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4"])
    return f"mysql://root@{LOOPBACK}:{server.port}/{name}"


def _change(port: int, statements: Sequence[str]) -> None:
    connection = pymysql.connect(host=LOOPBACK, port=port, user="root")
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
