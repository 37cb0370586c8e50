"""`--watch`: a worker in a child process, started anew whenever a Python file changes."""

import importlib.util
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from schema.runtime.logging import get_logger
from schema.runtime.stopping import Stopping
from worker.executors.mortal import die_with_parent

log = get_logger(__name__)

LOOK_SECONDS = 0.3

NO_SOURCES = frozenset({"__pycache__", "node_modules", "site-packages"})

Seen = tuple[int, int]
"""When a file was changed last, and its size."""

Snapshot = dict[str, Seen]


def watch(stopping: Stopping, modules: Sequence[str]) -> None:
    """Run a worker until asked to stop, and another one after each change of a file.

    Before the next one starts, the last one drains as on SIGTERM. One that ended by itself is
    followed by another after the next change. The files are those below the current directory,
    and those of the packages that `modules` are in.
    """
    roots = [Path.cwd(), *_sources_of(modules)]
    log.info("watching", roots=[str(root) for root in roots])
    while not stopping.asked.is_set():
        before = snapshot(roots)
        worker = _start()
        changed = _wait_for_change(worker, before, roots, stopping)
        if changed:
            log.info("files changed: the worker starts anew", files=changed)
        _drain(worker, stopping)


def snapshot(roots: Iterable[Path]) -> Snapshot:
    """Return the Python files among and below `roots`, without hidden folders and environments."""
    return {str(path): seen for root in roots for path, seen in _files(root)}


def _files(path: Path) -> Iterator[tuple[Path, Seen]]:
    try:
        if path.is_dir():
            for below in _below(path):
                yield from _files(below)
        elif path.suffix == ".py":
            status = path.stat()
            yield path, (status.st_mtime_ns, status.st_size)
    except OSError:  # it is gone meanwhile, or not ours to read
        return


def _below(folder: Path) -> list[Path]:
    paths = list(folder.iterdir())
    if any(path.name == "pyvenv.cfg" for path in paths):
        return []
    return [path for path in paths if not path.name.startswith(".") and path.name not in NO_SOURCES]


def _sources_of(modules: Iterable[str]) -> list[Path]:
    """Return where modules are, as far as not below here; a top-level name imports nothing."""
    found: set[str] = set()
    for name in {module.partition(".")[0] for module in modules}:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            found.update(spec.submodule_search_locations)
        elif spec is not None and spec.origin:
            found.add(spec.origin)
    return sorted(path for path in map(Path, found) if not path.is_relative_to(Path.cwd()))


def _start() -> "subprocess.Popen[bytes]":
    # In a group of its own: Ctrl-C reaches this process alone, which passes it on once.
    return subprocess.Popen(
        [sys.executable, "-m", "worker"],
        process_group=0,
        preexec_fn=partial(die_with_parent, signal.SIGTERM),  # noqa: PLW1509  # one thread only
    )


def _wait_for_change(
    worker: "subprocess.Popen[bytes]", before: Snapshot, roots: Sequence[Path], stopping: Stopping
) -> list[str]:
    """Return the files that differ from `before`; none when asked to stop."""
    said = False
    while not stopping.asked.wait(LOOK_SECONDS):
        now = snapshot(roots)
        if now != before:
            return sorted({path for path, _ in now.items() ^ before.items()})
        if worker.poll() is not None and not said:
            log.error("the worker ended; the next change starts it anew", code=worker.returncode)
            said = True
    return []


def _drain(worker: "subprocess.Popen[bytes]", stopping: Stopping) -> None:
    """Tell the worker to stop and wait for it; a second signal to us is passed on."""
    worker.terminate()
    while worker.poll() is None:
        if stopping.hurried.wait(LOOK_SECONDS):
            worker.terminate()
            worker.wait()
