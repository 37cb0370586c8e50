"""Tags: `client.tags`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypedDict, Unpack

from rowlease.operations import Listing, M, Operation, Resource
from rowlease.reading import Record
from rowlease.sending import in_path


@dataclass(frozen=True, kw_only=True)
class Tag(Record):
    """A tag, and how many tasks have it."""

    name: str
    count: int


class TagListing(TypedDict, total=False):
    """`limit` is how many come with one request."""

    limit: int


class Tags(Resource[M]):
    """What can be done with tags; a tag comes to be with the first task that has it."""

    @Listing
    def list(self, **how: Unpack[TagListing]) -> AsyncIterator[Tag]:
        """Iterate over all tags, by their names."""
        return self._connection.pages(Tag, "/tags", how)

    @Operation
    async def rename(self, name: str, to: str) -> Tag:
        """Give a tag another name, on all its tasks; raises Conflict when that is taken."""
        return await self._connection.patch(Tag, _path(name), {"name": to})

    @Operation
    async def delete(self, name: str) -> None:
        """Take a tag from all its tasks."""
        await self._connection.delete(_path(name))


def _path(name: str) -> str:
    return f"/tags/{in_path(name)}"
