"""What a handler may know of the attempt that it runs, and what it may ask of its worker."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schema.attempts import Claimed, Progress
from schema.documents import CHECKPOINT_BYTES, decode, encode, storable
from schema.file_names import file_name, media_type
from schema.limits import PROGRESS_MESSAGE_LENGTH
from schema.new_task import NewTask
from schema.states import Stage
from schema.task_fields import TaskCreation
from schema.times import from_database
from worker.link import Content, Link

_ONCE = "$once"
_SAVED = "$saved"


class _Done:
    """Something to await that is done already."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


DONE = _Done()


class Context:
    """The attempt under way.

    `attempt` is 1 for the first and grows with each retry. `fence` grows with each claim: give
    it to outside systems as the proof of which attempt wrote last. `deadline` is the moment at
    which the lease is over and the handler is ended. `saved` is what an attempt before saved,
    None at first.

    `save`, `once`, `enqueue`, `fetch` and `keep` are awaited in `async def` handlers and plain
    calls in `def` ones.
    """

    def __init__(self, claimed: Claimed, link: Link, *, blocking: bool) -> None:
        self.task_id: int = claimed.id
        self.title: str = claimed.title
        self.task_type: str = claimed.task_type
        self.queue: str = claimed.queue
        self.tags: tuple[str, ...] = claimed.tags
        self.account_id: str | None = claimed.account_id
        self.attempt: int = claimed.attempt
        self.fence: int = claimed.fence
        self.traceparent: str | None = claimed.traceparent
        self._claimed = claimed
        self._link = link
        self._blocking = blocking
        self._enqueued: list[NewTask] = []
        self.saved, self._once = _opened(claimed.checkpoint)

    @property
    def deadline(self) -> datetime:
        """The moment at which the lease is over."""
        lease = timedelta(seconds=self._claimed.timeout_seconds)
        return from_database(self._claimed.started_at + lease)

    @property
    def idempotency_key(self) -> str:
        """What all attempts have in common until the task is started again.

        Give it to outside systems, so that they do only once what is asked for again.
        """
        return f"rowlease-{self.task_id}-{self._claimed.run_fence}"

    @property
    def cancelled(self) -> bool:
        """Whether the handler was told to end: stopped, deleted, out of time, or shut down."""
        return self._link.cancelled

    @property
    def enqueued(self) -> tuple[NewTask, ...]:
        """The tasks that were asked for so far."""
        return tuple(self._enqueued)

    def progress(
        self, percent: float | None = None, message: str | None = None, stage: str | None = None
    ) -> None:
        """Report progress: 0 to 100, a message of up to 500 characters, QUEUED or RUNNING.

        Written about once a second; what was reported in between is not.
        """
        if percent is not None and not 0 <= percent <= 100:
            raise ValueError(f"progress takes 0 to 100 percent, got {percent}")
        told = None if message is None else storable(message)[:PROGRESS_MESSAGE_LENGTH]
        self._link.report(Progress(percent, told, None if stage is None else str(Stage(stage))))

    def save(self, value: Any) -> Awaitable[None]:
        """Save JSON of up to 1 MiB for the next attempt; done when it is committed.

        Raises DocumentError when it is not JSON, LeaseLost when the lease is gone.
        """
        self.saved = value
        return self._write()

    def once(self, name: str, step: Callable[[], Any]) -> Any:
        """Return what `step` returned, calling it only if no attempt saved that before.

        `step` takes no arguments; in `async def` handlers it is a coroutine function. A worker
        that dies after the step and before the save lets it happen again.
        """
        if inspect.iscoroutinefunction(step):
            return self._once_async(name, step)
        if name not in self._once:
            self._once[name] = step()
            self._write()
        return self._once[name]

    def enqueue(self, **fields: Any) -> Awaitable[None]:
        """Ask for a task, with the fields of POST /tasks.

        It is created in the transaction that settles this attempt, if that succeeds. Where an
        unfinished task has its unique_key, that one is meant and none is created; with
        on_conflict="reject" the attempt fails instead. Raises ValueError when the fields are not
        right.
        """
        try:
            asked = TaskCreation.model_validate({"on_conflict": "return", **fields}).task()
        except ValidationError as error:
            item = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in item["loc"])
            raise ValueError(f"enqueue: {where}: {item['msg']}") from None
        self._enqueued.append(replace(asked, traceparent=self.traceparent))
        return DONE

    def fetch(self, file_id: int) -> Any:
        """Return the path of a file on this machine, under its own name: to read, not to write.

        It is there until the attempt has ended. Raises FileMissing when there is no such file.
        """
        return self._finish(self._link.fetch(file_id))

    def keep(
        self,
        content: bytes | str | Path,
        *,
        name: str | None = None,
        content_type: str | None = None,
    ) -> Any:
        """Store bytes, or the file at a path, and return its number: `{"file": number}`.

        The task refers to it from then on, so it stays as long as the task does. The same bytes
        have the same number. `name` is by default the path's; the type follows from the name.
        Raises LeaseLost when the lease is gone, FileNotFoundError when there is no such path.
        """
        if isinstance(content, bytes):
            source: bytes | Path = content
        else:
            source = Path(content).absolute()
            source.stat()
        called = file_name(name or (source.name if isinstance(source, Path) else ""))
        guessed = content_type or guess_type(called)[0]
        return self._finish(self._link.keep(Content(source, called, media_type(guessed))))

    async def _once_async(self, name: str, step: Callable[[], Awaitable[Any]]) -> Any:
        if name not in self._once:
            self._once[name] = await step()
            await self._write()
        return self._once[name]

    def _write(self) -> Awaitable[None]:
        document = {_ONCE: self._once, _SAVED: self.saved} if self._once else self.saved
        future = self._link.save(encode(document, max_bytes=CHECKPOINT_BYTES))
        return self._finish(future) or DONE

    def _finish(self, future: "Future[Any]") -> Any:
        return future.result() if self._blocking else asyncio.wrap_future(future)


def _opened(checkpoint: str | None) -> tuple[Any, dict[str, Any]]:
    if checkpoint is None:
        return None, {}
    document = decode(checkpoint)
    if isinstance(document, dict) and _ONCE in document:
        return document.get(_SAVED), document[_ONCE]
    return document, {}
