"""Files in the store and in the tables, in as few words as a test wants to spend on them."""

from contextlib import suppress

from sqlalchemy import Engine

from schema import file_references, files
from schema.files import NewFile
from schema.runtime.files import BlobMissingError, FileStore
from schema.runtime.transactions import transaction
from tests.rows import rows


def stored(engine: Engine, store: FileStore, content: bytes, name: str = "a.txt") -> int:
    """Store a file as the API does and return its number."""
    with store.draft() as draft:
        draft.write(content)
        draft.finish()
        new = NewFile(draft.sha256, draft.size_bytes, name, "text/plain")
        with transaction(engine) as connection:
            file_id, _ = files.register(connection, new)
            draft.place()
    return file_id


def placed(store: FileStore, content: bytes) -> str:
    """Place bytes whose row nobody commits, and return their SHA-256."""
    draft = store.draft()
    draft.write(content)
    draft.finish()
    draft.place()
    draft.discard()
    return draft.sha256


def referring(engine: Engine) -> set[tuple[int, int]]:
    """Return which task refers to which file."""
    found = rows(engine, "SELECT task_id, file_id FROM task_files")
    return {(row["task_id"], row["file_id"]) for row in found}


def file_row(engine: Engine, file_id: int) -> dict[str, object]:
    """Return a file's row; {} when it is gone."""
    return next(iter(rows(engine, f"SELECT * FROM files WHERE id = {file_id}")), {})


def age_file(engine: Engine, file_id: int, days: float) -> None:
    """Let a file have been used last so long ago."""
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            "UPDATE files SET last_used_at = UTC_TIMESTAMP(6) - INTERVAL %s SECOND WHERE id = %s",
            (int(days * 86_400), file_id),
        )


def content_of(store: FileStore, sha256: object) -> bytes | None:
    """Return what the store has under a SHA-256, None when it has nothing."""
    with suppress(BlobMissingError), store.open(str(sha256)) as opened:
        return opened.read()
    return None


def link(engine: Engine, task_id: int, *file_ids: int) -> None:
    """Have a task refer to files."""
    with transaction(engine) as connection:
        file_references.link(connection, {task_id: file_ids})
