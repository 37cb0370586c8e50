"""Fetching what a run made, before RunningHub's addresses of it expire."""

import mimetypes
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2

from schema.runtime.files import StoreError
from schema.runtime.runninghub.client import Output
from worker import outbound
from worker.context import Context

SECONDS = 600.0
MOST_BYTES = 1024 * 1024 * 1024


class OutputMissingError(Exception):
    """A file of a run could not be fetched; the message says why, without its address."""


async def kept(context: Context, outputs: Sequence[Output], name: str) -> list[dict[str, Any]]:
    """Fetch files and keep them as ours; fetching one twice keeps it once.

    Raises OutputMissingError.
    """
    told = []
    for number, output in enumerate(outputs, start=1):
        ending = "".join(letter for letter in output.kind if letter.isalnum())[:8] or "bin"
        file_name = f"{name}-{number}.{ending}"
        content_type = mimetypes.guess_type(file_name)[0] or "application/octet-stream"
        try:
            with tempfile.TemporaryDirectory(prefix="rowlease-") as folder:
                path = Path(folder) / file_name
                await _fetch(output.address, path)
                file_id = await context.keep(path, name=file_name, content_type=content_type)
        except (StoreError, OSError) as error:  # the run is paid, and the disk may have room later
            raise OutputMissingError(f"it cannot be stored: {error}") from None
        told.append({"file": file_id, "name": file_name, "node_id": output.node_id})
    return told


async def _fetch(address: str, path: Path) -> None:
    client = await outbound.client()
    try:
        async with client.stream("GET", address, timeout=SECONDS) as response:
            if response.status_code != 200:
                raise OutputMissingError(f"its address is answered with {response.status_code}")
            size = 0
            with path.open("wb") as file:
                async for piece in response.aiter_raw():
                    size += len(piece)
                    if size > MOST_BYTES:
                        raise OutputMissingError(f"it has more than {MOST_BYTES} bytes")
                    file.write(piece)
    except outbound.Refused as error:
        raise OutputMissingError(str(error)) from None
    except httpx2.HTTPError as error:  # its text may tell the address
        raise OutputMissingError(f"no answer: {type(error).__name__}") from None
