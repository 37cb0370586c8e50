"""What is done to many tasks at once, and how far it is: `client.batches`."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict, Unpack

import httpx2

from rowlease import answers
from rowlease.operations import Listing, M, Operation, Resource
from rowlease.reading import Record
from rowlease.task_records import State, TaskSummary

BatchStatus = Literal["running", "completed", "failed"]


@dataclass(frozen=True, kw_only=True)
class FieldError(Record):
    """What is wrong with one field."""

    pointer: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class RefusedTask(Record):
    """A task that was not created: `index` is its place in what was sent, from 0."""

    index: int
    code: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    existing_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class PartialCreation(Record):
    """What was created, in the order asked, and what was not."""

    created: tuple[TaskSummary, ...]
    failed: tuple[RefusedTask, ...]


@dataclass(frozen=True, kw_only=True)
class FailedMove(Record):
    """A task to which the verb was not done; current_state is None when there is no such task."""

    id: int
    code: str
    detail: str
    current_state: State | None
    existing_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class BatchReport(Record):
    """What became of the tasks; one where the goal held already has succeeded."""

    requested: int
    succeeded: int
    failed: tuple[FailedMove, ...]


@dataclass(frozen=True, kw_only=True)
class BatchSummary(Record):
    """A verb on many tasks, under way or through; the numbers are of what was worked on so far."""

    id: int
    verb: str
    status: BatchStatus
    filter: Mapping[str, Any]
    reason: str | None
    requested: int
    succeeded: int
    last_task_id: int
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Batch(BatchSummary, BatchReport):
    """A single batch, with what was refused."""


class BatchListing(TypedDict, total=False):
    """`limit` is how many come with one request."""

    limit: int


class Batches(Resource[M]):
    """Verbs that are carried out in the background."""

    @Listing
    def list(self, **how: Unpack[BatchListing]) -> AsyncIterator[BatchSummary]:
        """Iterate over all batches, the newest first."""
        return self._connection.pages(BatchSummary, "/batches", how)

    @Operation
    async def get(self, batch_id: int) -> Batch:
        """Return how far a batch is; raises NotFound."""
        return await self._connection.get(Batch, f"/batches/{batch_id}")


def report(response: httpx2.Response) -> BatchReport:
    """Return what a verb on many tasks answered: with 202 it goes on in the background."""
    if response.status_code == httpx2.codes.ACCEPTED:
        return answers.record(Batch, response)
    return answers.record(BatchReport, response)
