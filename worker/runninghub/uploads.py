"""Files that workflows use: uploaded once a day for each account."""

import asyncio
import hashlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from schema.runtime.files import StoreError
from schema.runtime.runninghub.client import Hub
from schema.runtime.runninghub.errors import Unclear
from schema.workflows import NodeInfo
from worker.context import Context
from worker.signals import PauseQueue, PermanentFailure

KEPT_SECONDS = 23 * 3600
"""RunningHub keeps uploads for about a day; a run may wait an hour before it reads them."""

MOST_BYTES = 30 * 1024 * 1024
MOST_KEPT = 10_000
TRIES = 3
AGAIN_SECONDS = 1.0

STORE_SECONDS = 60.0
"""How long the queue is paused when our own store of files fails."""

Known = tuple[str, str]
"""The key, and the SHA-256 of the bytes."""

_known: dict[Known, tuple[str, float]] = {}
"""By which name they are known there, and since when. Each worker process has its own."""


async def resolved(context: Context, hub: Hub, nodes: Iterable[NodeInfo]) -> list[dict[str, Any]]:
    """Return the nodes as RunningHub takes them: files are uploaded and given by their names.

    Raises HubError, and PermanentFailure for a file that is too large.
    """
    return [
        {
            "nodeId": node.node_id,
            "fieldName": node.field_name,
            "fieldValue": await _value(context, hub, node.field_value),
        }
        for node in nodes
    ]


def forget(key: str) -> None:
    """Upload anew what a key has uploaded: RunningHub refused to use it."""
    for known in [known for known in _known if known[0] == key]:
        del _known[known]


async def _value(context: Context, hub: Hub, value: Any) -> Any:
    if not (isinstance(value, dict) and value.keys() == {"file"} and type(value["file"]) is int):
        return value
    try:
        path = await context.fetch(value["file"])
    except StoreError as error:  # others would meet the same
        raise PauseQueue(f"The store of files cannot be used: {error}", STORE_SECONDS) from None
    digest, size = await asyncio.to_thread(_read, path)
    if size > MOST_BYTES:
        raise PermanentFailure(
            f"file {value['file']} has {size} bytes: RunningHub takes up to {MOST_BYTES}"
        )
    known = _known.get((hub.key.key, digest))
    if known is not None and time.monotonic() - known[1] < KEPT_SECONDS:
        return known[0]
    name = await _uploaded(hub, path, f"{digest[:32]}{path.suffix}")
    if len(_known) >= MOST_KEPT:
        _known.clear()
    _known[hub.key.key, digest] = (name, time.monotonic())
    return name


async def _uploaded(hub: Hub, path: Path, name: str) -> str:
    """Upload, again where nobody knows what became of it: that costs nothing but the bytes."""
    for attempt in range(1, TRIES):
        try:
            return await hub.upload(path, name)
        except Unclear:
            await asyncio.sleep(AGAIN_SECONDS * attempt)
    return await hub.upload(path, name)


def _read(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
