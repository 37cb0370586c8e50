"""For the tests of handlers: runs one as the worker would, without a database."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypedDict, Unpack

from pydantic import BaseModel

from schema.attempts import (
    Claimed,
    Failed,
    Failure,
    Held,
    Outcome,
    Progress,
    QueuePaused,
    Snoozed,
    Succeeded,
)
from schema.documents import CHECKPOINT_BYTES, PAYLOAD_BYTES, decode, encode
from schema.endings import failure_of, outcome_word
from schema.new_task import NewTask
from schema.states import AttemptOutcome
from worker import handlers
from worker.attempt import ENDED, Attempt, Reason
from worker.context import Context
from worker.handlers import Handler, HandlerError, Kind
from worker.performing import perform_coroutine, perform_function

__all__ = [
    "AttemptOutcome",
    "Failed",
    "Failure",
    "Held",
    "Performance",
    "Progress",
    "QueuePaused",
    "Snoozed",
    "Succeeded",
    "perform",
]


class TaskFields(TypedDict, total=False):
    """What else the Context tells of the task; each has a default."""

    task_id: int
    title: str
    task_type: str
    queue: str
    tags: Sequence[str]
    account_id: str | None
    attempt: int
    fence: int


@dataclass(frozen=True, slots=True)
class Performance:
    """What became of an attempt. `outcome` is the value that the worker would settle.

    `saved` is what the next attempt would find as `context.saved`; `checkpoint` holds the steps
    done by `context.once` too: give it to the next `perform` as `saved`. `progress` is all that
    was reported, the first first.
    """

    outcome: Outcome
    saved: Any
    checkpoint: Any
    progress: tuple[Progress, ...]

    @property
    def word(self) -> AttemptOutcome:
        """The outcome as `task_attempts` has it: succeeded, failed, snoozed, ..."""
        return outcome_word(self.outcome)

    @property
    def result(self) -> Any:
        """What the handler returned, after its way through JSON.

        Raises AssertionError, with what happened instead, when it did not succeed.
        """
        if isinstance(self.outcome, Succeeded):
            return decode(self.outcome.result)
        told = self.failure
        raise AssertionError(
            f"{self.word}: {told.traceback or f'{told.error_class}: {told.message}'}"
        )

    @property
    def failure(self) -> Failure:
        """What went wrong, or why it was put off.

        Raises AssertionError when it succeeded.
        """
        failure = failure_of(self.outcome)
        if failure is None:
            raise AssertionError(f"{self.word}")
        return failure

    @property
    def enqueued(self) -> tuple[NewTask, ...]:
        """The tasks that would be created: none unless it succeeded."""
        return self.outcome.enqueued if isinstance(self.outcome, Succeeded) else ()


def perform(
    handler: Callable[..., Any] | str,
    payload: Any = None,
    *,
    saved: Any = None,
    timeout_seconds: int = 300,
    **task: Unpack[TaskFields],
) -> Performance:
    """Run a handler, given as the function or by its task type, and return what became of it.

    The payload goes through JSON and the handler's model, the result through JSON; whatever it
    raises becomes the outcome. `saved` is the checkpoint to start with. A coroutine is cancelled
    after `timeout_seconds`; a `def` handler runs in this thread, and nothing ends it.

    Raises HandlerError when there is no such handler, DocumentError when the payload or the
    checkpoint is not JSON, and RuntimeError for an `async def` handler in a running event loop.
    """
    found = _handler(handler, task.get("task_type"))
    claimed = _claimed(found, payload, saved, timeout_seconds, task)
    now = time.monotonic()
    attempt = Attempt(claimed, found, "worker.testing", now, now + timeout_seconds)
    link = _Link(attempt, claimed.checkpoint)
    outcome = attempt.outcome(_perform(attempt, link))
    assert outcome is not None  # noqa: S101  # that is what a lost lease gives
    after = Context(claimed._replace(checkpoint=link.checkpoint), link, blocking=True)
    return Performance(outcome, after.saved, decode(link.checkpoint), tuple(link.progress))


@dataclass(slots=True)
class _Link:
    """Keeps what a handler says, as the worker would."""

    attempt: Attempt
    checkpoint: str | None
    progress: list[Progress] = field(default_factory=list)

    @property
    def cancelled(self) -> bool:
        return self.attempt.reason is not None

    def report(self, progress: Progress) -> None:
        self.progress.append(progress)

    def save(self, checkpoint: str) -> "Future[None]":
        self.checkpoint = checkpoint
        future: Future[None] = Future()
        future.set_result(None)
        return future


def _handler(handler: Callable[..., Any] | str, task_type: str | None) -> Handler:
    registry = handlers.load([])
    if isinstance(handler, str):
        if handler not in registry:
            raise HandlerError(f'no handler is registered for "{handler}": import its module')
        return registry[handler]
    found = [each for each in registry.values() if each.function is handler]
    if not found:
        raise HandlerError(f"{handlers.name_of(handler)} is no handler: @handler(...) makes it one")
    return next((each for each in found if each.task_type == task_type), found[0])


def _claimed(
    handler: Handler, payload: Any, saved: Any, timeout_seconds: int, task: TaskFields
) -> Claimed:
    now = datetime.now(UTC).replace(tzinfo=None)
    if isinstance(payload, BaseModel):
        payload = payload.model_dump(mode="json")
    return Claimed(
        id=task.get("task_id", 1),
        fence=task.get("fence", task.get("attempt", 1)),
        title=task.get("title", "a task"),
        task_type=handler.task_type,
        queue=task.get("queue", "default"),
        account_id=task.get("account_id"),
        timeout_seconds=timeout_seconds,
        attempt=task.get("attempt", 1),
        available_at=now,
        started_at=now,
        traceparent=None,
        payload=None if payload is None else encode(payload, max_bytes=PAYLOAD_BYTES),
        tags=tuple(sorted(task.get("tags", ()))),
        checkpoint=None if saved is None else encode(saved, max_bytes=CHECKPOINT_BYTES),
    )


def _perform(attempt: Attempt, link: _Link) -> Outcome:
    if attempt.handler.kind is not Kind.COROUTINE:
        return perform_function(attempt.handler, attempt.claimed, link)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_within_lease(attempt, link))
    raise RuntimeError(
        "perform runs an event loop of its own: call it in a plain function, or in a thread by"
        " asyncio.to_thread"
    )


async def _within_lease(attempt: Attempt, link: _Link) -> Outcome:
    performing = perform_coroutine(attempt.handler, attempt.claimed, link)
    running = asyncio.ensure_future(performing)
    _, late = await asyncio.wait([running], timeout=attempt.claimed.timeout_seconds)
    if late:
        attempt.reason = Reason.DEADLINE
        running.cancel()
    try:
        return await running
    except asyncio.CancelledError:
        return ENDED
