"""Files of handlers: laid ready, kept, and cleared away."""

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from schema.runtime.files import FileStore
from schema.runtime.settings import Settings
from tests.files import content_of, file_row, referring, stored
from tests.processes import Start
from tests.rows import attempts, claim, make, rows, succeed
from tests.waiting import wait_for
from tests.worker.command import HANDLERS
from worker import filing as filing_module
from worker.filing import Desk, Filing
from worker.link import Content
from worker.signals import FileMissing, LeaseLost

HOLD = (7, 1)
TEXT = "text/plain"


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where workers lay files ready; processes inherit it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    if request.param == "s3":
        return FileStore(request.getfixturevalue("bucket"))
    local = request.param == "folder"
    return FileStore(str(tmp_path / "store") if local else f"memory://{uuid.uuid4()}")


@pytest.fixture
def filing(engine: Engine, store: FileStore) -> Iterator[Filing]:
    one = Filing(engine, store)
    yield one
    one.close(1)


def test_a_file_lies_ready_under_its_name_until_it_is_forgotten(
    engine: Engine, store: FileStore, filing: Filing, own_temporary_folder: Path
) -> None:
    one = stored(engine, store, b"one", "图.png")
    two = stored(engine, store, b"two", "图.png")

    paths = [filing.fetch(HOLD, each).result(10) for each in (one, two, one)]
    other = filing.fetch((8, 1), one).result(10)

    assert [path.name for path in paths] == ["图.png"] * 3
    assert [path.read_bytes() for path in paths] == [b"one", b"two", b"one"]
    assert paths[0] == paths[2]
    assert paths[0].is_symlink() == store.is_local
    filing.forget(HOLD)
    wait_for(lambda: not paths[0].parent.parent.exists())
    assert other.read_bytes() == b"one"
    filing.close(1)
    assert list(own_temporary_folder.iterdir()) == []
    assert content_of(store, file_row(engine, one)["sha256"]) == b"one"


def test_many_at_once_get_the_same_file(engine: Engine, store: FileStore, filing: Filing) -> None:
    file_id = stored(engine, store, b"x" * 3_000_000)

    paths = [filing.fetch(HOLD, file_id) for _ in range(20)]

    assert {path.result(10).stat().st_size for path in paths} == {3_000_000}


def test_a_file_that_is_not_there_is_missing(filing: Filing) -> None:
    with pytest.raises(FileMissing, match="there is no file 99"):
        filing.fetch(HOLD, 99).result(10)


def test_a_store_without_the_bytes_is_named(
    engine: Engine, store: FileStore, filing: Filing
) -> None:
    file_id = stored(engine, store, b"one")
    store.remove(str(file_row(engine, file_id)["sha256"]))

    with pytest.raises(FileNotFoundError, match="same FILES_URL"):
        filing.fetch(HOLD, file_id).result(10)


def test_what_is_kept_belongs_to_the_task(
    engine: Engine, store: FileStore, filing: Filing, tmp_path: Path
) -> None:
    make(engine)
    [claimed] = claim(engine)
    hold = (claimed.id, claimed.fence)
    path = tmp_path / "made"
    path.write_bytes(b"made")

    contents = [
        Content(b"bytes", "b.txt", TEXT),
        Content(path, "m", TEXT),
        Content(path, "n", TEXT),
    ]
    one, two, again = [filing.keep(hold, content).result(10) for content in contents]

    assert two == again
    assert referring(engine) == {(claimed.id, one), (claimed.id, two)}
    kept = file_row(engine, two)
    assert (kept["name"], kept["content_type"], kept["size_bytes"]) == ("m", TEXT, 4)
    assert content_of(store, kept["sha256"]) == b"made"


def test_nothing_is_kept_without_the_lease(engine: Engine, filing: Filing) -> None:
    make(engine)
    [claimed] = claim(engine)
    succeed(engine, claimed)

    with pytest.raises(LeaseLost):
        filing.keep((claimed.id, claimed.fence), Content(b"late", "b", TEXT)).result(10)

    assert referring(engine) == set()


def test_folders_of_killed_workers_are_cleared_and_of_living_ones_not(
    own_temporary_folder: Path,
) -> None:
    left = own_temporary_folder / "rowlease-worker-left"
    (left / "1-1").mkdir(parents=True)
    living = Desk()
    folder = living.folder(HOLD)

    Desk()

    assert folder.is_dir()
    assert not left.exists()


@pytest.mark.parametrize("is_locked", [False, True])
def test_a_folder_that_is_swept_as_it_is_made_is_made_again(
    monkeypatch: pytest.MonkeyPatch, *, is_locked: bool
) -> None:
    lock = filing_module._lock
    swept: list[Path] = []

    def sweep_first(folder: Path) -> int | None:
        if swept:
            return lock(folder)
        swept.append(folder)
        number = lock(folder) if is_locked else None
        folder.rmdir()
        return number if is_locked else lock(folder)

    monkeypatch.setattr(filing_module, "_lock", sweep_first)

    assert Desk().folder(HOLD).is_dir()
    assert len(swept) == 1


@pytest.mark.parametrize("kind", ["async", "def", "thread"])
def test_a_handler_reads_and_keeps_files(
    engine: Engine, start: Start, own_temporary_folder: Path, kind: str
) -> None:
    store = FileStore(Settings().files_url)  # type: ignore[call-arg]  # from the environment
    file_id = stored(engine, store, b"abc", "a.txt")
    [task_id] = make(engine, task_type=f"{kind}.files", payload={"fetch": file_id, "file": file_id})

    worker = start("worker", "--once", **HANDLERS)

    assert worker.wait(30) == 0
    [attempt] = attempts(engine, task_id)
    assert attempt["outcome"] == "succeeded", attempt
    [upper] = rows(engine, "SELECT * FROM files WHERE name = 'upper.txt'")
    assert content_of(store, upper["sha256"]) == b"ABC"
    assert referring(engine) == {(task_id, file_id), (task_id, upper["id"])}
    assert [each.name for each in own_temporary_folder.glob("rowlease-*")] == []


def test_a_worker_that_cannot_open_the_store_does_not_start(start: Start) -> None:
    worker = start("worker", FILES_URL="nonsense://x")

    assert worker.wait() == 2
    assert "worker: FILES_URL: Protocol not known: nonsense" in worker.errors.read_text()
