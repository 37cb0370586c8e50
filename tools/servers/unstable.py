"""Real MySQL for Debian releases that have none: the packages of Debian's unstable suite.

They need a newer libc than the release has, so they lie in a folder of their own in the user's
cache and run through that folder's dynamic loader: no chroot, and no root to run them.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.servers.errors import NotServedError, ServerError

PACKAGES = "mysql-server-core,mysql-client-core"
WHAT = "MySQL from Debian's unstable suite"


def folder() -> Path:
    """Return where the packages lie once they are built."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "rowlease" / "mysql-unstable"


def command(root: Path, name: str) -> tuple[str, ...]:
    """Return the words that start a program of the folder, such as "sbin/mysqld"."""
    loader = next((root / "usr" / "lib").glob("*/ld-linux*.so.*"), None)
    if loader is None:
        raise ServerError(f"{root} is not complete: remove it, then run this again.")
    return str(loader), "--library-path", str(loader.parent), str(root / "usr" / name)


def server_options(root: Path) -> tuple[str, ...]:
    """Return the options with which mysqld finds its own files in the folder."""
    return (
        f"--basedir={root / 'usr'}",
        f"--lc-messages-dir={root / 'usr/share/mysql'}",
        f"--plugin-dir={root / 'usr/lib/mysql/plugin'}",
    )


def build(debootstrap: str) -> None:
    """Fetch and unpack the packages, unless they are there; another run's build is waited for.

    It needs no root. Raises NotServedError when two tries did not bring the packages.
    """
    with _only_one():
        if folder().exists():
            return
        with tempfile.TemporaryDirectory(dir=folder().parent, prefix="building-") as building:
            downloads, root = Path(building, "downloads"), Path(building, "root")
            _download(debootstrap, downloads)
            _unpack(downloads, root)
            root.rename(folder())


@contextmanager
def _only_one() -> Iterator[None]:
    folder().parent.mkdir(parents=True, exist_ok=True)
    with (folder().parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(debootstrap: str, downloads: Path, tries: int = 2) -> None:
    words = ["--variant=minbase", "--download-only", f"--include={PACKAGES}", "sid", str(downloads)]
    said = ""
    for _ in range(tries):
        shutil.rmtree(downloads, ignore_errors=True)
        run = subprocess.run([debootstrap, *words], capture_output=True, text=True, check=False)
        if run.returncode == 0:
            return
        said = (run.stderr.strip() or run.stdout.strip() or "it gave no reason").splitlines()[-1]
    raise NotServedError(WHAT, said.rstrip("."))


def _unpack(downloads: Path, root: Path) -> None:
    root.mkdir()
    for package in sorted(downloads.glob("var/cache/apt/archives/*.deb")):
        # The suite's shells and tools come along in the download; libraries are all MySQL needs.
        if package.name.startswith(("lib", "mysql")):
            subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
