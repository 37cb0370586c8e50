"""Workers: `client.workers`."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict, Unpack

from rowlease.operations import Listing, M, Resource
from rowlease.reading import Record

WorkerStatus = Literal["alive", "draining", "stopped", "dead"]


@dataclass(frozen=True, kw_only=True)
class HeldTask(Record):
    """A task that a worker runs."""

    id: int
    title: str
    task_type: str
    queue: str
    started_at: datetime
    lease_expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Worker(Record):
    """One start of a worker process."""

    id: str
    host: str
    pid: int
    version: str
    queues: tuple[str, ...]
    task_types: tuple[str, ...]
    slots: int
    status: WorkerStatus
    started_at: datetime
    last_heartbeat_at: datetime
    ended_at: datetime | None
    busy: int
    tasks: tuple[HeldTask, ...]


class WorkerListing(TypedDict, total=False):
    """Which workers are listed."""

    status: WorkerStatus | Sequence[WorkerStatus]


class Workers(Resource[M]):
    """Who carries out tasks."""

    @Listing
    def list(self, **filters: Unpack[WorkerListing]) -> AsyncIterator[Worker]:
        """Iterate over workers, the latest start first: all that live, and the last that ended."""
        return self._connection.pages(Worker, "/workers", filters)
