"""Files: `client.files`."""

from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path

from rowlease.operations import M, Operation, Resource
from rowlease.reading import Record


@dataclass(frozen=True, kw_only=True)
class StoredFile(Record):
    """A file that tasks refer to, in payloads and results, as {"file": id}."""

    id: int
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    created_at: datetime
    last_used_at: datetime | None


class Files(Resource[M]):
    """What can be done with files."""

    @Operation
    async def upload(
        self, path: str | PathLike[str], *, name: str | None = None, content_type: str | None = None
    ) -> StoredFile:
        """Store a file of this machine. The same bytes are the same file, whatever its name.

        `name` is by default the path's, and the type follows from it. Raises OSError when the
        file cannot be read, Invalid when it is larger than the server takes.
        """
        with Path(path).open("rb") as opened:  # noqa: ASYNC230  # the HTTP library reads it so too
            sent = (name or Path(path).name, opened, content_type)
            return await self._connection.upload(StoredFile, "/files", sent)

    @Operation
    async def get(self, file_id: int) -> StoredFile:
        """Return what is known of a file."""
        return await self._connection.get(StoredFile, f"/files/{file_id}/info")

    @Operation
    async def download(self, file_id: int, path: str | PathLike[str]) -> Path:
        """Write a file to a path of this machine, and return it; nobody sees half of it there."""
        response = await self._connection.fetch(f"/files/{file_id}")
        target = Path(path)
        part = target.with_name(f".{target.name}.part")
        try:
            part.write_bytes(response.content)
            return part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    @Operation
    async def delete(self, file_id: int) -> None:
        """Delete a file; raises Conflict while an unfinished task refers to it."""
        await self._connection.delete(f"/files/{file_id}")
