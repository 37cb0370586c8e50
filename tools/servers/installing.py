"""Install missing server programs with apt, where this user may."""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tools.servers import unstable
from tools.servers.errors import NotServedError, ProgramMissingError
from tools.servers.programs import (
    DatabaseKind,
    find_browser,
    find_client,
    find_database,
    find_postgres,
    find_redis,
    locate,
)

SCRIPT = Path(__file__).with_name("apt-install.sh")


def ensure_database(kind: DatabaseKind) -> None:
    """Install the server program of this kind, and a client if there is none, unless found.

    Raises ProgramMissingError where this user may not install it, and NotServedError where the
    package index cannot serve it.
    """
    if find_database(kind):
        return
    _INSTALLERS[kind]()
    if not find_database(kind):
        raise ProgramMissingError([kind])


def ensure_redis() -> None:
    """Install the Redis server program, unless found; the errors are those of ensure_database."""
    if not find_redis():
        install("redis", "redis-server")


def ensure_postgres() -> None:
    """Install PostgreSQL, unless found; the errors are those of ensure_database."""
    if not find_postgres():
        install("postgres", "postgresql")


def ensure_browser() -> None:
    """Install Chromium, unless found; the errors are those of ensure_database."""
    if not find_browser():
        install("chromium", "chromium")


def install(kind: str, *packages: str) -> None:
    """Install packages with apt, trying twice, and start none of their services."""
    root = _root_words()
    if root is None:
        raise ProgramMissingError([kind])
    _update(*root)
    _tell(f"installing {' '.join(packages)}")
    for _ in range(2):
        run = _run([*root, "sh", str(SCRIPT), *packages])
        if run.returncode == 0:
            return
    said = (run.stderr.strip() or "apt-get gave no reason").splitlines()[-1]
    raise NotServedError(" ".join(packages), said.rstrip("."))


def _install_mysql() -> None:
    root = _root_words()
    if root is not None:
        _update(*root)
    packages = _mysql_packages()
    if packages:
        install("mysql", packages[-1])
        return
    if not locate("debootstrap"):
        install("mysql", "debootstrap", "debian-archive-keyring")
    debootstrap = locate("debootstrap")
    if debootstrap is None:
        raise ProgramMissingError(["mysql"])
    _tell(f"fetching {unstable.WHAT} into {unstable.folder()}")
    unstable.build(debootstrap)


def _install_mariadb() -> None:
    client = [] if find_client() else ["mariadb-client-core"]
    install("mariadb", "mariadb-server-core", *client)


_INSTALLERS: dict[DatabaseKind, Callable[[], None]] = {
    "mysql": _install_mysql,
    "mariadb": _install_mariadb,
}


def _mysql_packages() -> list[str]:
    """Return the release's own packages of a MySQL server without a service, oldest first."""
    if not shutil.which("apt-cache"):
        return []
    listed = _run(["apt-cache", "search", "--names-only", "^mysql-server-core"]).stdout
    return sorted(re.findall(r"^mysql-server-core\S*", listed, re.MULTILINE))


def _root_words() -> list[str] | None:
    """Return what to put before a command so that root runs it, or None where that is not to be."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and _run(["sudo", "-n", "true"]).returncode == 0:
        return ["sudo", "-n"]
    return None


@functools.cache
def _update(*root: str) -> None:
    _tell("reading the package lists")
    # A third party's list that cannot be had is not our concern: the installation tells.
    _run([*root, "apt-get", "update"])


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def _tell(text: str) -> None:
    print(f"{text} ...", file=sys.stderr, flush=True)
