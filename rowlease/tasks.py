"""Tasks: `client.tasks`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, Unpack

from rowlease import answers
from rowlease.batches import BatchReport, PartialCreation, report
from rowlease.following import News, followed
from rowlease.operations import Listing, M, Operation, Resource
from rowlease.sending import given
from rowlease.task_fields import NewTask, Selection, TaskChanges, TaskFilter, TaskListing
from rowlease.task_records import (
    Attempt,
    Event,
    Moment,
    ReorderedTask,
    Task,
    TaskStatus,
    TaskSummary,
    Why,
)
from rowlease.waiting import wait_until_ended


class Tasks(Resource[M]):
    """What can be done with tasks. Verbs raise Conflict where a task's state forbids them."""

    @Operation
    async def create(self, **fields: Unpack[NewTask]) -> Task:
        """Create a task and return it."""
        return await self._connection.post(Task, "/tasks", fields)

    @Operation
    async def get(self, task_id: int) -> Task:
        """Return a task with its payload and result; raises NotFound."""
        return await self._connection.get(Task, f"/tasks/{task_id}")

    @Listing
    def list(self, **filters: Unpack[TaskListing]) -> AsyncIterator[TaskSummary]:
        """Iterate over all tasks that match, newest first; pages are fetched on the way."""
        return self._connection.pages(TaskSummary, "/tasks", filters)

    @Operation
    async def wait(
        self,
        task_id: int,
        timeout: float | None = None,  # noqa: ASYNC109  # of both clients
    ) -> Task:
        """Return a task once it is done, failed or cancelled; which of them, its status says.

        Raises WaitTimeout, with the task as it stands, after `timeout` seconds; None: never.
        """

        async def look(held: int) -> Task:
            asked = {"wait": held} if held else {}
            return await self._connection.get(Task, f"/tasks/{task_id}", asked, held)

        return await wait_until_ended(look, self._connection.transport.sleep, timeout)

    @Listing
    def follow(self, **filters: Unpack[TaskFilter]) -> AsyncIterator[News]:
        """Iterate over what happens to the tasks that match, without end.

        First the newest 100 of them, as a Snapshot. A connection that breaks is opened again, and
        goes on where it was, or begins with a Snapshot.
        """
        return followed(self._connection, "/events", filters)

    @Listing
    def follow_one(self, task_id: int) -> AsyncIterator[News]:
        """Iterate over what happens to one task, beginning with how it stands; see `follow`."""
        return followed(self._connection, f"/tasks/{task_id}/events/stream", {})

    @Operation
    async def edit(self, task_id: int, **changes: Unpack[TaskChanges]) -> Task:
        """Change fields of a task and return it."""
        return await self._connection.patch(Task, f"/tasks/{task_id}", changes)

    @Operation
    async def delete(self, task_id: int) -> None:
        """Delete a task, also while it runs: it is stopped then."""
        await self._connection.delete(f"/tasks/{task_id}")

    @Operation
    async def start(self, task_id: int, *, reason: str | None = None) -> Task:
        """Let a paused, failed or cancelled task begin anew, in its old place."""
        return await self._move(task_id, "start", reason)

    @Operation
    async def stop(self, task_id: int, *, reason: str | None = None) -> Task:
        """Cancel a task; one that runs is `stopping` until its handler has ended."""
        return await self._move(task_id, "stop", reason)

    @Operation
    async def pause(self, task_id: int, *, reason: str | None = None) -> Task:
        """Let a waiting task wait until it is resumed."""
        return await self._move(task_id, "pause", reason)

    @Operation
    async def resume(self, task_id: int, *, reason: str | None = None) -> Task:
        """Let a paused task wait in its old place again."""
        return await self._move(task_id, "resume", reason)

    @Operation
    async def reorder(
        self,
        task_id: int,
        *,
        priority_offset: int | None = None,
        to: Literal["first", "last"] | None = None,
        reason: str | None = None,
    ) -> ReorderedTask:
        """Move a task within its queue and priority: by seconds, negative is sooner, or `to`."""
        move = given(priority_offset=priority_offset, to=to, reason=reason)
        return await self._connection.post(ReorderedTask, f"/tasks/{task_id}/reorder", move)

    @Operation
    async def status(self, task_id: int) -> TaskStatus:
        """Return how a task stands, in few words."""
        return await self._connection.get(TaskStatus, f"/tasks/{task_id}/status")

    @Operation
    async def why(self, task_id: int) -> Why:
        """Return why a task is not running: all reasons, each with what to do about it."""
        return await self._connection.get(Why, f"/tasks/{task_id}/why")

    @Operation
    async def attempts(self, task_id: int) -> tuple[Attempt, ...]:
        """Return the attempts that have ended, oldest first."""
        return await self._connection.all(Attempt, f"/tasks/{task_id}/attempts")

    @Operation
    async def events(self, task_id: int) -> tuple[Event, ...]:
        """Return what people and the API did to a task, oldest first."""
        return await self._connection.all(Event, f"/tasks/{task_id}/events")

    @Operation
    async def timeline(self, task_id: int) -> tuple[Moment, ...]:
        """Return attempts and events together, in the order of time."""
        return await self._connection.all(Moment, f"/tasks/{task_id}/timeline")

    @Operation
    async def create_many(self, tasks: Sequence[NewTask]) -> tuple[TaskSummary, ...]:
        """Create up to 1,000 tasks, all or none, and return them in the same order."""
        response = await self._connection.send("POST", "/tasks/batch", {"tasks": tasks})
        return answers.records(TaskSummary, response)

    @Operation
    async def create_some(self, tasks: Sequence[NewTask]) -> PartialCreation:
        """Create those of up to 1,000 tasks that can be, and return them and what was refused."""
        body = {"tasks": tasks, "partial": True}
        return await self._connection.post(PartialCreation, "/tasks/batch", body)

    @Operation
    async def start_many(self, **which: Unpack[Selection]) -> BatchReport:
        """Start tasks. Where more than 1,000 match a filter, the report is a Batch under way."""
        return await self._move_many("start", which)

    @Operation
    async def stop_many(self, **which: Unpack[Selection]) -> BatchReport:
        """Stop tasks. Where more than 1,000 match a filter, the report is a Batch under way."""
        return await self._move_many("stop", which)

    @Operation
    async def pause_many(self, **which: Unpack[Selection]) -> BatchReport:
        """Pause tasks. Where more than 1,000 match a filter, the report is a Batch under way."""
        return await self._move_many("pause", which)

    @Operation
    async def resume_many(self, **which: Unpack[Selection]) -> BatchReport:
        """Resume tasks. Where more than 1,000 match a filter, the report is a Batch under way."""
        return await self._move_many("resume", which)

    @Operation
    async def delete_many(self, **which: Unpack[Selection]) -> BatchReport:
        """Delete tasks. Where more than 1,000 match a filter, the report is a Batch under way."""
        return await self._move_many("delete", which)

    async def _move(self, task_id: int, verb: str, reason: str | None) -> Task:
        body = given(reason=reason)
        return await self._connection.post(Task, f"/tasks/{task_id}/{verb}", body)

    async def _move_many(self, verb: str, which: Mapping[str, Any]) -> BatchReport:
        return report(await self._connection.send("POST", f"/tasks/batch/{verb}", which))
