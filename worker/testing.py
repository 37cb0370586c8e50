"""For the tests of handlers: runs one as the worker would, without a database."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict, TypeVar, Unpack

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
from worker.link import Content
from worker.performing import perform_coroutine, perform_function
from worker.signals import FileMissing

__all__ = [
    "AttemptOutcome",
    "Failed",
    "Failure",
    "Held",
    "KeptFile",
    "Performance",
    "Progress",
    "QueuePaused",
    "Snoozed",
    "Succeeded",
    "perform",
]


T = TypeVar("T")


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
class KeptFile:
    """A file that a handler stored."""

    name: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Performance:
    """What became of an attempt. `outcome` is the value that the worker would settle.

    `saved` is what the next attempt would find as `context.saved`; `checkpoint` holds the steps
    done by `context.once` too: give it to the next `perform` as `saved`. `progress` is all that
    was reported, the first first. `kept` are the files that it stored, by their numbers.
    """

    outcome: Outcome
    saved: Any
    checkpoint: Any
    progress: tuple[Progress, ...]
    kept: Mapping[int, KeptFile]

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
    files: Mapping[int, bytes | Path] | None = None,
    timeout_seconds: int = 300,
    **task: Unpack[TaskFields],
) -> Performance:
    """Run a handler, given as the function or by its task type, and return what became of it.

    The payload goes through JSON and the handler's model, the result through JSON; whatever it
    raises becomes the outcome. `saved` is the checkpoint to start with, `files` is what it can
    fetch, by number: contents, or where they are. A coroutine is cancelled after
    `timeout_seconds`; a `def` handler runs in this thread, and nothing ends it.

    Raises HandlerError when there is no such handler, DocumentError when the payload or the
    checkpoint is not JSON, and RuntimeError for an `async def` handler in a running event loop.
    """
    found = _handler(handler, task.get("task_type"))
    claimed = _claimed(found, payload, saved, timeout_seconds, task)
    now = time.monotonic()
    attempt = Attempt(claimed, found, "worker.testing", now, now + timeout_seconds)
    with TemporaryDirectory() as folder:
        link = _Link(attempt, claimed.checkpoint, _Files(Path(folder), files or {}))
        outcome = attempt.outcome(_perform(attempt, link))
    assert outcome is not None  # noqa: S101  # that is what a lost lease gives
    after = Context(claimed._replace(checkpoint=link.checkpoint), link, blocking=True)
    told = tuple(link.progress)
    return Performance(outcome, after.saved, decode(link.checkpoint), told, link.files.kept)


class _Files:
    """Files that a handler finds, and those that it stored."""

    def __init__(self, folder: Path, there: Mapping[int, bytes | Path]) -> None:
        self._folder = folder
        self._there = dict(there)
        self.kept: dict[int, KeptFile] = {}

    def fetch(self, file_id: int) -> Path:
        if file_id not in self._there:
            raise FileMissing(f"there is no file {file_id}")
        content = self._there[file_id]
        path = self._folder / str(file_id) / (content.name if isinstance(content, Path) else "file")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_bytes_of(content))
        return path

    def keep(self, content: Content) -> int:
        stored = _bytes_of(content.source)
        same = [number for number, there in self._there.items() if _bytes_of(there) == stored]
        file_id = same[0] if same else max(self._there, default=0) + 1
        self._there[file_id] = stored
        self.kept[file_id] = KeptFile(content.name, content.content_type, stored)
        return file_id


@dataclass(slots=True)
class _Link:
    """Keeps what a handler says, as the worker would."""

    attempt: Attempt
    checkpoint: str | None
    files: _Files
    progress: list[Progress] = field(default_factory=list)

    @property
    def cancelled(self) -> bool:
        return self.attempt.reason is not None

    def report(self, progress: Progress) -> None:
        self.progress.append(progress)

    def save(self, checkpoint: str) -> "Future[None]":
        self.checkpoint = checkpoint
        return _done(lambda: None)

    def fetch(self, file_id: int) -> "Future[Path]":
        return _done(lambda: self.files.fetch(file_id))

    def keep(self, content: Content) -> "Future[int]":
        return _done(lambda: self.files.keep(content))


def _done(work: Callable[[], T]) -> "Future[T]":
    future: Future[T] = Future()
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001  # it is the handler's to deal with
        future.set_exception(error)
    return future


def _bytes_of(content: bytes | Path) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()


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
        running.cancel(Reason.DEADLINE.name.lower())
    try:
        return await running
    except asyncio.CancelledError:
        return ENDED
