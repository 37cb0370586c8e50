"""The watchdog: names the coroutine that blocks the event loop, and ends a worker that hangs."""

import os
import threading
import time

from schema.runtime.logging import get_logger
from worker.executors.coroutine import CoroutineExecutor
from worker.threads import Failed, watched

log = get_logger(__name__)

LOOK_SECONDS = 1.0
HANGING_SECONDS = 30.0
"""How long past its deadline a coroutine may block the loop before the process ends."""

EXIT_CODE = 70


class Watchdog:
    """Pings the event loop from a thread of its own."""

    def __init__(self, executor: CoroutineExecutor, failed: Failed) -> None:
        self._executor = executor
        self._stopping = threading.Event()
        self._thread = watched("watchdog", self._run, failed)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            answered = threading.Event()
            self._executor.ping(answered)
            if not answered.wait(LOOK_SECONDS):
                self._watch_blocked(answered)

    def _watch_blocked(self, answered: threading.Event) -> None:
        """Warn when the same coroutine still has the loop at the next look, and wait for it."""
        attempt = self._executor.on_loop()
        if answered.wait(LOOK_SECONDS):
            return  # the loop is only slow
        task: dict[str, object] = {}  # one that a handler started has no name
        deadline = self._executor.oldest_deadline()
        if attempt is not None:
            task = {"task_id": attempt.claimed.id, "task_type": attempt.claimed.task_type}
            deadline = attempt.deadline
        log.warning("the event loop is blocked: use a def handler for what does not await", **task)
        while not answered.wait(LOOK_SECONDS) and not self._stopping.is_set():
            if deadline is not None and time.monotonic() > deadline + HANGING_SECONDS:
                log.error("a coroutine blocks the event loop for good: the worker ends", **task)
                os._exit(EXIT_CODE)
        if answered.is_set():
            log.info("the event loop runs again", **task)
