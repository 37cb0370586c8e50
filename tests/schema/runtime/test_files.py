"""The store of files."""

import os
import time
import uuid
from hashlib import sha256
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from schema.runtime import files
from schema.runtime.files import (
    BlobMissingError,
    FileStore,
    StoreError,
    open_store,
    placed_by,
)
from schema.runtime.settings import Settings, SettingsError
from tests.files import placed

CONTENT = b"some bytes"
DIGEST = sha256(CONTENT).hexdigest()
URL = "mysql://u:p@h/d"


@pytest.fixture(params=["folder", "file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    if request.param == "s3":
        return FileStore(request.getfixturevalue("bucket"))
    places = {
        "folder": str(tmp_path / "files"),
        "file": f"file://{tmp_path}/files",
        "memory": f"memory://{uuid.uuid4()}",
    }
    return FileStore(places[request.param])


def put(store: FileStore, content: bytes = CONTENT) -> None:
    with store.draft() as draft:
        draft.write(content)
        draft.finish()
        draft.place()


def read(store: FileStore, digest: str = DIGEST) -> bytes:
    with store.open(digest) as opened:
        return opened.read()


def drafts(folder: Path) -> list[str]:
    return [path.name for path in (folder / "files" / "drafts").iterdir()]


def test_what_was_placed_can_be_read(store: FileStore) -> None:
    with store.draft() as draft:
        draft.write(CONTENT[:3])
        draft.write(CONTENT[3:])
        draft.finish()
        assert (draft.sha256, draft.size_bytes) == (DIGEST, len(CONTENT))
        draft.place()
        draft.place()

    assert read(store) == CONTENT


def test_nobody_sees_what_is_not_placed(store: FileStore) -> None:
    with store.draft() as draft:
        draft.write(CONTENT)
        draft.finish()
        with pytest.raises(BlobMissingError):
            read(store)

    with pytest.raises(BlobMissingError):
        read(store)


def test_a_draft_leaves_nothing_behind(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "files"))
    put(store)
    put(store)
    with store.draft() as draft:
        draft.write(b"half a f")

    assert drafts(tmp_path) == []
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [DIGEST]
    assert (tmp_path / "files" / DIGEST[:2] / DIGEST[2:4] / DIGEST).read_bytes() == CONTENT


def test_bytes_go_once(store: FileStore) -> None:
    put(store)

    store.remove(DIGEST)
    store.remove(DIGEST)

    with pytest.raises(BlobMissingError):
        read(store)


def test_a_local_store_shows_its_bytes_and_another_copies_them(
    store: FileStore, tmp_path: Path
) -> None:
    put(store)
    target = tmp_path / "copy"

    store.download(DIGEST, target)

    assert target.read_bytes() == CONTENT
    path = store.local_path(DIGEST)
    assert (path is None) == (not store.is_local)
    assert path is None or path.stat().st_mode & 0o222 == 0
    with pytest.raises(BlobMissingError):
        store.download("0" * 64, target)


def test_only_drafts_that_were_left_long_ago_are_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(str(tmp_path / "files"))
    assert store.old_drafts() == []
    began = time.time()
    monkeypatch.setattr(time, "time", lambda: began - files.OLD_DRAFT_SECONDS - 10)
    left = store.draft()
    monkeypatch.setattr(time, "time", lambda: began)
    young = store.draft()

    [old] = store.old_drafts()
    store.discard(old)
    left.discard()
    assert store.old_drafts() == []
    young.write(CONTENT)
    young.finish()
    young.place()
    assert read(store) == CONTENT


def test_a_store_that_cannot_be_written_to_says_why(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("no folder")

    with pytest.raises(StoreError, match="files"):
        FileStore(str(tmp_path / "files")).draft()


@pytest.mark.parametrize("url", ["nonsense://x", "gs://bucket/folder"])
def test_a_url_that_nothing_can_open_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(SettingsError, match="FILES_URL: ") as caught:
        FileStore(url)

    assert "\n" not in str(caught.value)


def test_what_was_placed_is_noted_until_its_row_is_committed(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(store, CONTENT)
    put(store)
    put(store, b"others")
    later = time.time() + files.OLD_DRAFT_SECONDS + 10
    monkeypatch.setattr(time, "time", lambda: later)

    assert [placed_by(draft) for draft in store.old_drafts()] == [DIGEST]


@pytest.mark.parametrize(
    ("chosen", "is_told"),
    [
        ({}, True),
        ({"files_url": "memory://x"}, True),
        ({"files_shared": True}, False),
    ],
)
def test_a_store_that_other_machines_do_not_see_is_warned_of(
    chosen: dict[str, object], *, is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FILES_SHARED", raising=False)
    given = {"database_url": URL, "files_url": str(tmp_path), **chosen}
    with capture_logs() as log:
        open_store(Settings.model_validate(given))

    assert [line["log_level"] for line in log] == ["warning"] * is_told


def test_by_default_files_lie_where_make_up_keeps_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FILES_URL", raising=False)
    monkeypatch.chdir(tmp_path)

    put(FileStore(Settings(database_url=URL).files_url))

    assert (tmp_path / ".local/files" / DIGEST[:2] / DIGEST[2:4] / DIGEST).is_file()
    assert os.listdir(tmp_path) == [".local"]  # noqa: PTH208  # names are what is meant
