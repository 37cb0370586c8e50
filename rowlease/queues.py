"""Queues: `client.queues`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Required, TypedDict, Unpack

from rowlease.operations import Listing, M, Operation, Resource
from rowlease.reading import Record
from rowlease.sending import given, in_path


@dataclass(frozen=True, kw_only=True)
class Queue(Record):
    """A queue: its limits, whether it is paused, and how much is in it."""

    name: str
    description: str | None
    max_concurrency: int | None
    rate_limit: int | None
    rate_period_seconds: int
    timeout_seconds: int | None
    retry_limit: int | None
    is_paused: bool
    paused_reason: str | None
    paused_at: datetime | None
    resume_at: datetime | None
    depth: int
    counted_at: datetime | None
    in_progress: int
    oldest_age_seconds: float | None
    created_at: datetime
    updated_at: datetime
    retention_days: int | None = None
    retention_failed_days: int | None = None
    paused_by: str | None = None


class QueueChanges(TypedDict, total=False):
    """Fields of a queue; those left out stay as they are, None takes a limit or default away."""

    description: str | None
    max_concurrency: int | None
    rate_limit: int | None
    rate_period_seconds: int
    timeout_seconds: int | None
    retry_limit: int | None
    retention_days: int | None
    retention_failed_days: int | None


class NewQueue(QueueChanges, total=False):
    """A queue to be created before its first task; only `name` is required."""

    name: Required[str]


class QueueListing(TypedDict, total=False):
    """`limit` is how many come with one request."""

    limit: int


class Queues(Resource[M]):
    """What can be done with queues."""

    @Listing
    def list(self, **how: Unpack[QueueListing]) -> AsyncIterator[Queue]:
        """Iterate over all queues, by their names."""
        return self._connection.pages(Queue, "/queues", how)

    @Operation
    async def get(self, name: str) -> Queue:
        """Return a queue; raises NotFound."""
        return await self._connection.get(Queue, _path(name))

    @Operation
    async def create(self, **fields: Unpack[NewQueue]) -> Queue:
        """Create a queue; without this it comes to be with its first task, unlimited."""
        return await self._connection.post(Queue, "/queues", fields)

    @Operation
    async def edit(self, name: str, **changes: Unpack[QueueChanges]) -> Queue:
        """Change a queue: limits hold from the next claim on, defaults for tasks created later."""
        return await self._connection.patch(Queue, _path(name), changes)

    @Operation
    async def delete(self, name: str) -> None:
        """Delete a queue that holds no task."""
        await self._connection.delete(_path(name))

    @Operation
    async def pause(
        self, name: str, *, reason: str | None = None, seconds: int | None = None
    ) -> Queue:
        """Let nothing more of a queue be claimed, for some seconds or until it is resumed."""
        body = given(reason=reason, seconds=seconds)
        return await self._connection.post(Queue, f"{_path(name)}/pause", body)

    @Operation
    async def resume(self, name: str, *, reason: str | None = None) -> Queue:
        """Let a queue be claimed from again."""
        return await self._connection.post(Queue, f"{_path(name)}/resume", given(reason=reason))


def _path(name: str) -> str:
    return f"/queues/{in_path(name)}"
