"""The filing: lays files ready for handlers, and keeps what they made, in threads of its own."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine

from schema import file_references, files
from schema.attempts import Hold
from schema.file_names import name_on_disk
from schema.files import FileMissingError, FileRow, NewFile
from schema.runtime.files import BlobMissingError, Draft, FileStore, chunks_of
from schema.runtime.logging import get_logger
from schema.runtime.outage import Outage
from schema.runtime.transactions import is_refused, transaction
from worker.link import Content
from worker.signals import FileMissing, LeaseLost

log = get_logger(__name__)

T = TypeVar("T")

THREADS = 4
"""Files that are on their way at once."""

PREFIX = "rowlease-worker-"


class Filing:
    """Files of running attempts. What was laid ready for one goes when it is forgotten."""

    def __init__(self, engine: Engine, store: FileStore) -> None:
        self._engine = engine
        self._store = store
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="files")
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._desk: Desk | None = None
        self._folders: dict[Hold, Path] = {}

    def fetch(self, hold: Hold, file_id: int) -> "Future[Path]":
        """Lay a file ready for an attempt; the future fails with FileMissing."""
        return self._pool.submit(self._fetch, self._folder(hold), file_id)

    def keep(self, hold: Hold, content: Content) -> "Future[int]":
        """Store a file and have the task refer to it; the future fails with LeaseLost."""
        return self._pool.submit(self._keep, hold, content)

    def forget(self, hold: Hold) -> None:
        """Take away what was laid ready for an attempt: its handler has ended."""
        if hold not in self._folders:
            return
        folder = self._folders.pop(hold)
        with contextlib.suppress(RuntimeError):  # it is closed, and all of it has gone
            self._pool.submit(shutil.rmtree, folder, ignore_errors=True)

    def close(self, timeout: float) -> None:  # noqa: ARG002  # nothing is waited for
        """Take all away; handlers have ended before."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._desk is not None:
            self._desk.clear()

    def _folder(self, hold: Hold) -> Path:
        """Return the folder of an attempt: made before a thread uses it, so it is made once."""
        with self._lock:
            if hold not in self._folders:
                self._desk = self._desk or Desk()
                self._folders[hold] = self._desk.folder(hold)
            return self._folders[hold]

    def _fetch(self, folder: Path, file_id: int) -> Path:
        try:
            row = self._write(lambda connection: files.find(connection, file_id))
        except FileMissingError as error:
            raise FileMissing(str(error)) from None
        target = folder / str(file_id) / name_on_disk(row["name"])
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            self._lay(row, target)
        return target

    def _lay(self, row: FileRow, target: Path) -> None:
        sha256 = row["sha256"]
        part = target.parent / f".{threading.get_ident()}"
        try:
            local = self._store.local_path(sha256)
            if local is None:
                self._store.download(sha256, part)
            else:
                part.symlink_to(local)
        except BlobMissingError:
            raise FileNotFoundError(
                f"the bytes of file {row['id']} are not in this worker's store ({self._store}): do"
                " the API and the worker have the same FILES_URL?"
            ) from None
        part.replace(target)

    def _keep(self, hold: Hold, content: Content) -> int:
        with self._store.draft() as draft:
            _fill(draft, content.source)
            new = NewFile(draft.sha256, draft.size_bytes, content.name, content.content_type)

            def enter(connection: Connection) -> int:
                file_id, _ = files.register(connection, new)
                with files.held_for_long(connection):
                    draft.place()
                return file_id

            file_id = self._write(enter)
        # It is fresh, so that nobody prunes it in between; the task is locked by itself, so that
        # a slow store holds up nobody who asks for the task.
        if not self._write(lambda connection: file_references.link_held(connection, hold, file_id)):
            raise LeaseLost
        return file_id

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Do work that may be done twice, again and again while the database fails."""
        outage = Outage("filing")
        while not self._closing.is_set():
            try:
                with transaction(self._engine) as connection:
                    result = work(connection)
            except Exception as error:
                if is_refused(error):
                    raise
                self._closing.wait(outage.wait_after(error))
            else:
                outage.over()
                return result
        raise RuntimeError("the worker ends: the file was not dealt with")


class Desk:
    """A folder of this worker's own, among those of other workers on this machine.

    It is locked for as long as the worker lives: those whose workers were killed are cleared.
    """

    def __init__(self) -> None:
        for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            if (number := _lock(left)) is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(number)
        # Another worker that looks before it is locked takes it for one that was left.
        while (path := _locked_folder()) is None:
            pass
        self._path = path

    def folder(self, hold: Hold) -> Path:
        """Return a new folder for an attempt."""
        task_id, fence = hold
        return Path(tempfile.mkdtemp(prefix=f"{task_id}-{fence}-", dir=self._path))

    def clear(self) -> None:
        """Take it away with all that is in it."""
        shutil.rmtree(self._path, ignore_errors=True)


def _locked_folder() -> Path | None:
    """Return a new folder that is locked until this process ends; None when it was swept."""
    path = Path(tempfile.mkdtemp(prefix=PREFIX))
    number = _lock(path)
    if number is not None and path.exists():
        return path
    if number is not None:
        os.close(number)
    return None


def _lock(folder: Path) -> int | None:
    """Lock a folder; None when its worker lives, or it is not ours to look into."""
    try:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    return number


def _fill(draft: Draft, source: bytes | Path) -> None:
    if isinstance(source, bytes):
        draft.write(source)
    else:
        with source.open("rb") as opened:
            for chunk in chunks_of(opened):
                draft.write(chunk)
    draft.finish()
