"""The private servers of a checkout, whose data stay in its folder `.local`."""

import fcntl
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tools.servers import (
    DATABASES,
    DatabaseKind,
    ProgramMissingError,
    ServerError,
    database,
    default_database,
    redis,
)
from tools.servers.installing import ensure_database, ensure_redis
from tools.servers.programs import find_database
from tools.up.errors import UpError

URL_FILE = "database-url"


@contextmanager
def only_one(local: Path) -> Iterator[None]:
    """Refuse with UpError while another `make up` runs in this checkout."""
    local.mkdir(exist_ok=True)
    with (local / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UpError("`make up` already runs in this checkout: end that one first.") from None
        yield


@contextmanager
def servers(
    local: Path, kind: DatabaseKind | None, environment: MutableMapping[str, str]
) -> Iterator[None]:
    """Run what DATABASE_URL and REDIS_URL do not name, and set both to what runs.

    An empty REDIS_URL means: without Redis.
    """
    with ExitStack() as running:
        if not environment.get("DATABASE_URL"):
            chosen = kind or _kind_of(local)
            ensure_database(chosen)
            _tell(f"starting {chosen}")
            db = running.enter_context(database(chosen, local / chosen))
            environment["DATABASE_URL"] = db.url
        (local / URL_FILE).write_text(environment["DATABASE_URL"])
        (local / URL_FILE).chmod(0o600)
        if "REDIS_URL" not in environment:
            _start_redis(local, running, environment)
        yield


def _start_redis(local: Path, running: ExitStack, environment: MutableMapping[str, str]) -> None:
    try:
        ensure_redis()
        server = running.enter_context(redis(local / "redis"))
    except ServerError as error:
        print(f"Goes on without Redis, which is optional. {error}", flush=True)
    else:
        environment["REDIS_URL"] = server.url


def _kind_of(local: Path) -> DatabaseKind:
    """Return the kind whose data were used last, else one that is installed, else MariaDB."""
    used = [kind for kind in DATABASES if (local / kind / "port").exists() and find_database(kind)]
    if used:
        return max(used, key=lambda kind: (local / kind / "port").stat().st_mtime)
    try:
        return default_database()
    except ProgramMissingError:
        return "mariadb"


def _tell(text: str) -> None:
    print(f"{text} ...", flush=True)
