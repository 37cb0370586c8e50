"""The store of files: bytes by their SHA-256, in whatever FILES_URL names, through fsspec.

What is written is seen by nobody until it is complete: it gets a temporary name, and is moved.
All of it blocks: an event loop calls it in threads.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

from fsspec.core import url_to_fs

from schema.runtime.logging import get_logger
from schema.runtime.settings import Settings, SettingsError

log = get_logger(__name__)

DRAFTS = "drafts"
"""The folder of what is being written."""

OLD_DRAFT_SECONDS = 86_400
"""Nobody writes for so long: whoever began was killed."""

LOOK_SECONDS = 5.0
"""What a start waits for the first look at a store."""

CHUNK_BYTES = 1024 * 1024
LOCAL = {"file", "local"}
OF_ONE_PROCESS = {"memory"}


class StoreError(Exception):
    """The store cannot be used now; the message says why."""


class BlobMissingError(StoreError):
    """The store does not have these bytes."""


class FileStore:
    """Where bytes are kept. Every method may raise StoreError."""

    def __init__(self, url: str) -> None:
        """Open the store at a URL, or at the path of a folder.

        Raises SettingsError when nothing is installed that can.
        """
        try:
            # What other processes write must be seen at once.
            self._fs, root = url_to_fs(url, use_listings_cache=False)
        except Exception as error:  # noqa: BLE001  # drivers raise what they like
            raise SettingsError(f"FILES_URL: {error}") from None
        self._root = root.rstrip("/")
        protocols = self._fs.protocol
        self._protocols = {protocols} if isinstance(protocols, str) else set(protocols)
        self.is_local = bool(self._protocols & LOCAL)

    @property
    def is_shared(self) -> bool:
        """Whether processes on other machines find the same bytes, as far as one can tell."""
        return not self._protocols & (LOCAL | OF_ONE_PROCESS)

    def __str__(self) -> str:
        """Say where it is, without what may be secret in its URL."""
        return f"{min(self._protocols)}: {self._root}"

    def draft(self) -> "Draft":
        """Begin to write."""
        path = f"{self._root}/{DRAFTS}/{int(time.time())}-{secrets.token_hex(8)}"
        with _told():
            self._make_folder(path)
            return Draft(self, path, self._fs.open(path, "wb"))

    def open(self, sha256: str) -> BinaryIO:
        """Open bytes for reading. Raises BlobMissingError."""
        path = self._path(sha256)
        with _sought():
            if self._protocols & OF_ONE_PROCESS:  # whose readers share one place in the bytes
                return BytesIO(self._fs.cat_file(path))
            return cast("BinaryIO", self._fs.open(path, "rb"))

    def local_path(self, sha256: str) -> Path | None:
        """Return where bytes are on this machine, None in a store that is elsewhere.

        Whoever reads there must not write. Raises BlobMissingError.
        """
        if not self.is_local:
            return None
        path = Path(self._path(sha256))
        if not path.is_file():
            raise BlobMissingError(f"no such file: {path}")
        return path

    def download(self, sha256: str, target: Path) -> None:
        """Copy bytes to a path of this machine. Raises BlobMissingError."""
        with self.open(sha256) as source, target.open("wb") as copy, _sought():
            shutil.copyfileobj(source, copy, CHUNK_BYTES)

    def remove(self, sha256: str) -> None:
        """Take bytes away, if they are there. The caller holds the lock of their row."""
        self._remove(self._path(sha256))

    def place(self, draft: str, sha256: str) -> None:
        """Give a draft its name, unless the bytes are there; the caller holds their row's lock.

        That is noted before, beside the draft: should nobody commit the row, the note is found.
        """
        path = self._path(sha256)
        with _told():
            if not self._fs.exists(path):
                self._fs.pipe_file(_note(draft, sha256), b"")
                self._make_folder(path)
                self._fs.mv(draft, path)

    def discard(self, draft: str) -> None:
        """Take away a draft, or the note of one, if it is still there."""
        self._remove(draft)

    def old_drafts(self) -> list[str]:
        """Return drafts and notes of those who were killed, or could not commit, a day ago."""
        folder = f"{self._root}/{DRAFTS}"
        try:
            with _sought():
                paths = [str(path) for path in self._fs.ls(folder, detail=False)]
        except BlobMissingError:
            return []
        begun = {path: path.rpartition("/")[2].partition("-")[0] for path in paths}
        before = time.time() - OLD_DRAFT_SECONDS
        return [path for path, at in begun.items() if at.isdecimal() and int(at) < before]

    def require_usable(self) -> None:
        """Write and take away a few bytes, as a look whether that can be done."""
        with self.draft() as draft:
            draft.write(b"a process looks whether it can write here")
            draft.finish()

    def _path(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256[2:4]}/{sha256}"

    def _make_folder(self, path: str) -> None:
        if self.is_local:  # object stores have none
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)

    def _remove(self, path: str) -> None:
        with contextlib.suppress(BlobMissingError), _sought():
            self._fs.rm_file(path)


class Draft:
    """Bytes on their way into the store. A `with` block discards what was not placed.

    By its end, unless it raises, the row of what was placed is committed.
    """

    def __init__(self, store: FileStore, path: str, file: Any) -> None:
        self._store = store
        self._path = path
        self._file = file
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written, hexadecimal."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Write more."""
        with _told():
            self._file.write(chunk)
        self._digest.update(chunk)
        self.size_bytes += len(chunk)

    def finish(self) -> None:
        """Write the last of it, for good: a row that tells of it survives a power failure."""
        with _told():
            if self._store.is_local:
                self._file.flush()
                os.fsync(self._file.f.fileno())
                os.chmod(self._path, 0o444)  # noqa: PTH101  # handlers read it where it is
            self._file.close()

    def place(self) -> None:
        """Give it its name; the caller holds the lock of its row. Twice is once."""
        self._store.place(self._path, self.sha256)

    def discard(self, *, committed: bool = False) -> None:
        """Take away what was not placed; never raises: what is left is found by the reaper.

        So are bytes that were placed, unless their row is `committed`.
        """
        try:
            with _told():
                self._file.close()
            self._store.discard(self._path)
            if committed:
                self._store.discard(_note(self._path, self.sha256))
        except StoreError as error:
            log.warning("a draft is left in the store", path=self._path, error=str(error)[:300])

    def __enter__(self) -> Self:
        """Return the draft itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Discard it, unless it was placed."""
        self.discard(committed=kind is None)


def placed_by(draft: str) -> str | None:
    """Return the SHA-256 of bytes that were placed, where this is the note of it."""
    _, _, told = draft.rpartition("/")[2].partition("-")
    return told.partition("-")[2] or None


def _note(draft: str, sha256: str) -> str:
    return f"{draft}-{sha256}"


def open_store(settings: Settings) -> FileStore:
    """Return the store that FILES_URL names, and warn of one that other machines do not see.

    Raises SettingsError for one that refuses: a wrong key, a bucket that is not there. One that
    cannot be reached now, or does not answer soon, is warned of.
    """
    store = FileStore(settings.files_url)
    _look(store)
    if not (store.is_shared or settings.files_shared):
        log.warning(
            "files are kept where other machines do not see them: on platforms where web, worker"
            " and reaper are different machines set FILES_URL to a store that they share, else"
            " FILES_SHARED=1",
            files=str(store),
        )
    return store


def chunks_of(source: BinaryIO) -> Iterator[bytes]:
    """Yield what is left of a file, in pieces of a size that all stores like."""
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def _look(store: FileStore) -> None:
    """Try a store: drivers try for minutes before they give up, a start does not."""
    trial: Future[None] = Future()

    def look() -> None:
        try:
            store.require_usable()
            trial.set_result(None)
        except StoreError as error:
            trial.set_exception(error)

    threading.Thread(target=look, name="store", daemon=True).start()
    try:
        trial.result(LOOK_SECONDS)
    except TimeoutError:
        log.warning("the store of files has not answered yet", files=str(store))
    except StoreError as error:
        if isinstance(error.__cause__, PermissionError | FileNotFoundError):
            raise SettingsError(f"FILES_URL ({store}): {error}") from None
        log.warning("the store of files cannot be used now", files=str(store), error=str(error))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what drivers raise, whatever it is, into a StoreError."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        words = " ".join(str(error).split())
        raise StoreError(f"{type(error).__name__}: {words}") from error


@contextlib.contextmanager
def _sought() -> Iterator[None]:
    """Do likewise where bytes are looked for, which may be missing."""
    with _told():
        try:
            yield
        except FileNotFoundError as error:
            raise BlobMissingError(f"no such file: {error}") from error
