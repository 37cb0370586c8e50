"""Pruning of files that nobody refers to."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event
from structlog.testing import capture_logs

from reaper import files
from reaper.files import prune_files
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import SESSION_TIMEOUT_SECONDS, create_thread_engine
from schema.runtime.files import FileStore, StoreError
from tests.files import age_file, content_of, file_row, placed, stored
from tests.processes import Start
from tests.rows import make, rows

DAYS = 7


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest) -> FileStore:
    if request.param == "s3":
        return FileStore(request.getfixturevalue("bucket"))
    return FileStore(f"memory://{uuid.uuid4()}")


def old_files(engine: Engine, store: FileStore, count: int) -> list[int]:
    ids = [stored(engine, store, b"%d" % number) for number in range(count)]
    for file_id in ids:
        age_file(engine, file_id, DAYS + 1)
    return ids


def test_only_what_nobody_refers_to_goes_with_its_bytes(engine: Engine, store: FileStore) -> None:
    unused, used = old_files(engine, store, 2)
    young = stored(engine, store, b"young")
    make(engine, payload={"file": used})
    age_file(engine, used, DAYS + 1)
    digests = {each: file_row(engine, each)["sha256"] for each in (unused, used, young)}

    with capture_logs() as log:
        prune_files(engine, store, DAYS)
        prune_files(engine, store, DAYS)

    assert [(line["event"], line["count"]) for line in log] == [("unused files pruned", 1)]
    assert [row["id"] for row in rows(engine, "SELECT id FROM files ORDER BY id")] == [used, young]
    assert content_of(store, digests[unused]) is None
    assert content_of(store, digests[used]) == b"1"
    assert content_of(store, digests[young]) == b"young"


def test_many_go_page_by_page(
    engine: Engine, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PAGE", 3)
    monkeypatch.setattr(files, "MOST_PAGES", 3)
    old_files(engine, store, 10)

    prune_files(engine, store, DAYS)
    assert rows(engine, "SELECT COUNT(*) AS n FROM files") == [{"n": 1}]

    prune_files(engine, store, DAYS)
    assert rows(engine, "SELECT id FROM files") == []


def test_a_row_stays_when_its_bytes_could_not_be_removed(
    engine: Engine, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    [file_id] = old_files(engine, store, 1)

    def refuse(_sha256: str) -> None:
        raise StoreError("away")

    with monkeypatch.context() as patch:
        patch.setattr(store, "remove", refuse)
        with pytest.raises(StoreError):
            prune_files(engine, store, DAYS)
    assert file_row(engine, file_id) != {}

    prune_files(engine, store, DAYS)
    assert file_row(engine, file_id) == {}


def test_what_was_left_half_written_goes_after_a_day(
    engine: Engine, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.draft()
    later = time.time() + 90_000
    monkeypatch.setattr(time, "time", lambda: later)

    with capture_logs() as log:
        prune_files(engine, store, DAYS)

    assert [line["drafts"] for line in log] == [1]


@pytest.mark.parametrize("is_known", [False, True])
def test_bytes_whose_row_was_never_committed_go_after_a_day(
    engine: Engine, store: FileStore, monkeypatch: pytest.MonkeyPatch, *, is_known: bool
) -> None:
    sha256 = placed(store, b"placed")
    if is_known:
        stored(engine, store, b"placed")
    prune_files(engine, store, DAYS)
    assert content_of(store, sha256) == b"placed"
    later = time.time() + 90_000
    monkeypatch.setattr(time, "time", lambda: later)

    prune_files(engine, store, DAYS)

    assert content_of(store, sha256) == (b"placed" if is_known else None)
    assert store.old_drafts() == []
    assert len(rows(engine, "SELECT id FROM files")) == is_known


def test_a_store_may_take_longer_than_a_session_may_be_silent(
    engine: Engine, database_url: str, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    [file_id] = old_files(engine, store, 1)
    remove = store.remove

    def slowly(sha256: str) -> None:
        time.sleep(1.3)
        remove(sha256)

    monkeypatch.setattr(store, "remove", slowly)
    with sessions_that_end_after_a_second(database_url) as own:
        prune_files(own, store, DAYS)
        with own.connect() as connection:
            silence = connection.exec_driver_sql("SELECT @@wait_timeout").scalar()

    assert file_row(engine, file_id) == {}
    assert silence == SESSION_TIMEOUT_SECONDS


@contextmanager
def sessions_that_end_after_a_second(database_url: str) -> Iterator[Engine]:
    own = create_thread_engine(DatabaseAddress.parse(database_url), connections=1)

    def shorten(connection: Any, _: object) -> None:
        connection.cursor().execute("SET SESSION wait_timeout = 1")

    event.listen(own, "connect", shorten)
    try:
        yield own
    finally:
        own.dispose()


def test_a_reaper_that_cannot_open_the_store_does_not_start(start: Start) -> None:
    reaper = start("reaper", FILES_URL="nonsense://x")

    assert reaper.wait() == 2
    assert reaper.errors.read_text() == "reaper: FILES_URL: Protocol not known: nonsense\n"
