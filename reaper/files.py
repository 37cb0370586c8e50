"""Takes away files that nobody refers to, and what uploads that were cut off left in the store."""

from sqlalchemy import Engine

from schema import files
from schema.runtime.files import FileStore, placed_by
from schema.runtime.logging import get_logger
from schema.runtime.transactions import run, transaction

log = get_logger(__name__)

PRUNE_SECONDS = 300.0
"""How often it is looked for them."""

PAGE = 100
MOST_PAGES = 20
"""Pages before others have their turn; what is left has time."""


def prune_files(engine: Engine, store: FileStore, days: float) -> None:
    """Take away what was unused for so many days. Any number of reapers may."""
    count = 0
    for _ in range(MOST_PAGES):
        ids = run(engine, lambda connection: files.unused(connection, days, PAGE))
        pruned = sum(_prune(engine, store, file_id, days) for file_id in ids)
        count += pruned
        if len(ids) < PAGE or not pruned:
            break
    drafts = store.old_drafts()
    for draft in drafts:
        _clear(engine, store, draft)
    if count or drafts:
        log.info("unused files pruned", count=count, drafts=len(drafts))


def _prune(engine: Engine, store: FileStore, file_id: int, days: float) -> bool:
    """Take one file, in a transaction of its own: its row is locked while its bytes go."""
    with transaction(engine) as connection:
        sha256 = files.remove_unused(connection, file_id, days)
        if sha256 is not None:
            with files.held_for_long(connection):
                store.remove(sha256)
    return sha256 is not None


def _clear(engine: Engine, store: FileStore, draft: str) -> None:
    """Take away what is left of an upload, and bytes that it placed and nobody knows of."""
    sha256 = placed_by(draft)
    if sha256 is not None:
        with transaction(engine) as connection:
            if files.lock_unknown(connection, sha256):
                with files.held_for_long(connection):
                    store.remove(sha256)
    store.discard(draft)
