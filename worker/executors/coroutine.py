"""Runs `async def` handlers in one event loop, in a thread of its own."""

import asyncio
import threading
import time
from collections.abc import Sequence

from schema.attempts import Failed, Failure, Outcome, Released, timed_out
from worker.executors.executor import Done
from worker.performing import Job, perform_coroutine

CLOSE_SECONDS = 1.0


class CoroutineExecutor:
    """An event loop; each job is a task of it, cancelled at its deadline."""

    def __init__(self, done: Done) -> None:
        self._done = done
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._running: dict[asyncio.Task[None], Job] = {}
        self._released: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run_loop, name="coroutines", daemon=True)

    def start(self) -> None:
        """Start the loop."""
        self._thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Run jobs in the loop."""
        self._loop.call_soon_threadsafe(self._start_all, jobs)

    def release_all(self) -> None:
        """Cancel what runs; each ends as Released."""
        self._loop.call_soon_threadsafe(self._cancel_all)

    def close(self) -> None:
        """Cancel what runs and close the loop."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(CLOSE_SECONDS)

    def _run_loop(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._closing.wait())

    def _start_all(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            task = self._loop.create_task(self._run(job))
            self._running[task] = job
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._released.discard(task)

    def _cancel_all(self) -> None:
        for task in self._running:
            self._released.add(task)
            task.cancel()

    async def _run(self, job: Job) -> None:
        self._done(job, await self._outcome(job))

    async def _outcome(self, job: Job) -> Outcome:
        try:
            async with asyncio.timeout(max(job.deadline - time.monotonic(), 0)):
                return await perform_coroutine(job.handler, job.claimed)
        except TimeoutError:
            return timed_out(job.claimed.timeout_seconds)
        except asyncio.CancelledError:
            if asyncio.current_task() in self._released:
                return Released()
            return Failed(Failure("CancelledError", "the handler cancelled itself"))
