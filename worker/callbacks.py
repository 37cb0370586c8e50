"""Calls on_retry and on_failure of handlers, best effort, after the settle."""

import asyncio
import inspect
import queue
from collections.abc import Awaitable

from sqlalchemy import Engine, select

from schema.attempts import Failure
from schema.models.tasks import Task
from schema.runtime.logging import get_logger
from schema.states import Status
from worker.attempt import Attempt
from worker.context import Context
from worker.executors.executor import Keeper
from worker.executors.in_process import InProcessLink
from worker.handlers import Callback
from worker.threads import Failed, watched

log = get_logger(__name__)

Failing = tuple[Attempt, Failure]


class Callbacks:
    """A thread of its own: a slow callback holds up nothing else."""

    def __init__(self, engine: Engine, keeper: Keeper, failed: Failed) -> None:
        self._engine = engine
        self._keeper = keeper
        self._waiting: queue.SimpleQueue[Failing | None] = queue.SimpleQueue()
        self._thread = watched("callbacks", self._run, failed)

    def start(self) -> None:
        """Begin to call."""
        self._thread.start()

    def call(self, attempt: Attempt, failure: Failure) -> None:
        """Call what the handler asked for, now that its failed attempt is settled."""
        self._waiting.put((attempt, failure))

    def close(self, timeout: float) -> None:
        """Call what still waits, for `timeout` seconds, and end."""
        self._waiting.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (failing := self._waiting.get()) is not None:
            try:
                self._call(*failing)
            except Exception:
                log.exception("a callback failed", task_id=failing[0].claimed.id)

    def _call(self, attempt: Attempt, failure: Failure) -> None:
        callback = self._callback_for(attempt)
        if callback is None:
            return
        context = Context(attempt.claimed, InProcessLink(attempt, self._keeper), blocking=True)
        answer = callback(context, failure)
        if inspect.isawaitable(answer):
            asyncio.run(_awaited(answer))

    def _callback_for(self, attempt: Attempt) -> Callback | None:
        """Return what to call; the task may have been claimed again, and ended, by now."""
        with self._engine.connect() as connection:
            query = select(Task.status, Task.fence).where(Task.id == attempt.claimed.id)
            task = connection.execute(query).one_or_none()
        if task is None:
            return None
        if task.fence > attempt.claimed.fence or task.status == Status.RETRYING:
            return attempt.handler.on_retry
        return attempt.handler.on_failure if task.status == Status.FAILED else None


async def _awaited(answer: Awaitable[object]) -> None:
    await answer
