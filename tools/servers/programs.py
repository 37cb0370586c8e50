"""Which server and client programs this machine has."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tools.servers import unstable
from tools.servers.errors import ProgramMissingError

DatabaseKind = Literal["mysql", "mariadb"]
DATABASES: Final[tuple[DatabaseKind, ...]] = ("mysql", "mariadb")

# Server programs often lie outside an ordinary user's PATH.
_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/libexec")
_OLDEST = {"mysql": (8, 0), "mariadb": (10, 6)}


@dataclass(frozen=True)
class Program:
    """A program as it is started: the words of the command, then the options it always needs."""

    command: tuple[str, ...]
    options: tuple[str, ...] = ()


def find_database(kind: DatabaseKind) -> Program | None:
    """Return the server program of this kind, or None where there is none new enough."""
    return _find_mysql() if kind == "mysql" else _find_mariadb()


def find_redis() -> Program | None:
    """Return the Redis (or Valkey) server program, or None."""
    path = locate("redis-server") or locate("valkey-server")
    return Program((path,)) if path else None


def find_postgres() -> Path | None:
    """Return the folder of the newest PostgreSQL's server programs, or None."""
    # Debian keeps them by version, out of everyone's way.
    folders = [*Path("/usr/lib/postgresql").glob("*/bin")]
    found = sorted((each for each in folders if (each / "postgres").exists()), key=_major)
    if found:
        return found[-1]
    path = locate("postgres")
    return Path(path).resolve().parent if path else None


def find_browser() -> Program | None:
    """Return Chromium, or None."""
    path = locate("chromium") or locate("chromium-browser")
    return Program((path,)) if path else None


def find_client() -> Program | None:
    """Return a command-line client that speaks to MySQL and MariaDB, or None."""
    path = locate("mariadb") or locate("mysql")
    return Program((path,)) if path else unstable_program("bin/mysql")


def default_database() -> DatabaseKind:
    """Return the kind of database whose program is found first: what is installed, then the cache.

    Raises ProgramMissingError where there is none.
    """
    finders: tuple[tuple[DatabaseKind, Callable[[], Program | None]], ...] = (
        ("mysql", _find_installed_mysql),
        ("mariadb", _find_mariadb),
        ("mysql", _find_mysql),
    )
    for kind, find in finders:
        if find():
            return kind
    raise ProgramMissingError(DATABASES)


def locate(name: str) -> str | None:
    """Return the path of a program in PATH or in the folders of server programs, or None."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_FOLDERS]))


def unstable_program(name: str) -> Program | None:
    """Return a program of the MySQL that `unstable.build` made, such as "sbin/mysqld", or None."""
    folder = unstable.folder()
    if not (folder / "usr" / name).exists():
        return None
    return Program(unstable.command(folder, name))


def _major(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdigit() else 0


def _find_mysql() -> Program | None:
    installed = _find_installed_mysql()
    if installed:
        return installed
    program = unstable_program("sbin/mysqld")
    return program and Program(program.command, unstable.server_options(unstable.folder()))


def _find_installed_mysql() -> Program | None:
    return _new_enough("mysqld", "mysql")


def _find_mariadb() -> Program | None:
    return _new_enough("mariadbd", "mariadb")


def _new_enough(name: str, kind: DatabaseKind) -> Program | None:
    path = locate(name)
    if path and _version_of(path, kind) >= _OLDEST[kind]:
        return Program((path,))
    return None


def _version_of(path: str, kind: DatabaseKind) -> tuple[int, int]:
    """Return (major, minor), or (0, 0) for what is not a server of this kind."""
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    is_mariadb = "MariaDB" in answer.stdout
    version = re.search(r"Ver (\d+)\.(\d+)", answer.stdout)
    if version is None or is_mariadb != (kind == "mariadb"):
        return 0, 0
    return int(version[1]), int(version[2])
