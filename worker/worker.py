"""One worker process: its parts, how they are started, and in which order they end."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from sqlalchemy import Engine

from schema.attempts import Hold
from schema.endings import Backoff
from schema.leases import release_unknown
from schema.runtime.logging import get_logger
from schema.runtime.settings import Settings, host_name
from schema.runtime.stopping import Stopping
from schema.runtime.transactions import run
from schema.version import VERSION
from schema.workers import WorkerDescription
from worker.attempt import Reason
from worker.callbacks import Callbacks
from worker.claimer import Claimant, Claimer
from worker.completer import Completer
from worker.executors.children import Nursery
from worker.executors.coroutine import CoroutineExecutor
from worker.executors.executor import END_SECONDS, Executor
from worker.executors.process import ProcessExecutor
from worker.executors.thread import ThreadExecutor
from worker.handlers import Handler, Kind
from worker.heart import Heart, Reflexes
from worker.identity import Identity
from worker.keeping import TaskKeeper, Writers
from worker.queues import QueueChoice
from worker.running import Running
from worker.saver import Saver
from worker.slots import Slots
from worker.streak import Streak
from worker.watchdog import Watchdog

log = get_logger(__name__)

LOOK_SECONDS = 0.1
"""How often a worker that is to end by itself looks whether its work is done."""

SETTLE_SECONDS = 3.0
"""How long the last ends may take to be written."""


class Worker:
    """Claims, runs and settles until it is told to stop."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        handlers: Mapping[str, Handler],
        stopping: Stopping,
    ) -> None:
        self._settings = settings
        self._handlers = handlers
        self._stopping = stopping
        self._failed = threading.Event()
        self._identity = Identity()
        self._running = Running()
        self._slots = Slots(settings.worker_concurrency)
        self._engine = engine
        self._keeper = keeper = TaskKeeper(handlers, self._running, self._slots)
        self._backoff = Backoff(settings.retry_backoff_seconds, settings.retry_backoff_max_seconds)
        self._completer = Completer(engine, self._backoff, keeper.settled, self._fail)
        self._saver = Saver(engine, self._fail)
        self._callbacks = Callbacks(engine, keeper, self._fail)
        queues = QueueChoice.parse(settings.worker_queues)
        aging = settings.priority_aging_seconds
        who = Claimant(self._identity, queues, self._running, aging)
        self._claimer = Claimer(engine, who, self._slots, keeper.start, self._fail)
        reflexes = Reflexes(keeper.end, self._release_unknown)
        self._heart = Heart(engine, self._identity, self._running, reflexes, self._fail)
        self._executors = self._make_executors()
        streak = Streak(self._claimer.rest)
        put, note, call = self._completer.put, streak.note, self._callbacks.call
        keeper.connect(self._executors, Writers(put, self._saver.save, note, call))

    def run(self, is_done: Callable[[], bool] | None = None) -> bool:
        """Work until asked to stop, then drain; False when a part of it failed.

        With `is_done` also until that says so: then what runs may end, however long it takes.
        """
        for executor in self._executors.values():
            executor.start()
        watchdog = self._watchdog()
        for dog in watchdog:
            dog.start()
        self._completer.start()
        self._saver.start()
        self._callbacks.start()
        self._heart.start(self._description(), self._stopping.asked)
        self._claimer.start()
        log.info("worker started", worker_id=self._identity.id, slots=self._slots.total)
        self._work(is_done)
        self._drain()
        for dog in watchdog:
            dog.stop()
        return not self._failed.is_set()

    def _work(self, is_done: Callable[[], bool] | None) -> None:
        if is_done is None:
            self._stopping.asked.wait()
            return
        try:
            while not is_done():
                if self._stopping.asked.wait(LOOK_SECONDS):
                    return
        except Exception:
            log.exception("nobody knows whether work is left")
            self._fail()
            return
        self._claimer.stop()
        while not self._slots.wait_until_all_free(LOOK_SECONDS):
            if self._stopping.asked.is_set():
                return

    def _make_executors(self) -> dict[Kind, Executor]:
        settings = self._settings
        nursery = Nursery(
            settings.handler_modules,
            most_tasks=settings.worker_child_tasks,
            memory_bytes=settings.child_memory_bytes,
        )
        made: dict[Kind, Executor] = {
            Kind.COROUTINE: CoroutineExecutor(self._keeper),
            Kind.THREAD: ThreadExecutor(self._keeper),
            Kind.PROCESS: ProcessExecutor(self._keeper, nursery, self._fail),
        }
        kinds = {handler.kind for handler in self._handlers.values()}
        return {kind: executor for kind, executor in made.items() if kind in kinds}

    def _watchdog(self) -> list[Watchdog]:
        executor = self._executors.get(Kind.COROUTINE)
        return [Watchdog(executor)] if isinstance(executor, CoroutineExecutor) else []

    def _description(self) -> WorkerDescription:
        return WorkerDescription(
            host=host_name(),
            pid=os.getpid(),
            version=VERSION,
            queues=[word.strip() for word in self._settings.worker_queues.split(",")],
            task_types=list(self._handlers),
            slots=self._slots.total,
        )

    def _fail(self) -> None:
        self._failed.set()
        self._stopping.asked.set()

    def _release_unknown(self, holds: Sequence[Hold]) -> None:
        """Give back leases of claims whose COMMIT was not answered."""
        release = partial(release_unknown, worker_id=self._identity.id, holds=holds)
        count = run(self._engine, lambda connection: release(connection, backoff=self._backoff))
        if count:
            log.warning("gave back leases of an unanswered claim", count=count)

    def _drain(self) -> None:
        """Claim nothing more, let handlers end, release the rest, write all ends; then go."""
        log.info("worker draining", worker_id=self._identity.id)
        self._claimer.stop()
        self._heart.drain()
        deadline = time.monotonic() + self._settings.worker_grace_seconds
        while not self._slots.wait_until_all_free(0.1):
            if self._stopping.hurried.is_set() or time.monotonic() > deadline:
                self._keeper.end(self._running.attempts(), Reason.RELEASED)
                self._slots.wait_until_all_free(2 * END_SECONDS)
                break
        settled = self._completer.close(SETTLE_SECONDS)
        self._saver.close()
        self._callbacks.close()
        for executor in self._executors.values():
            executor.close()
        self._heart.stop()
        log.info("worker stopped", worker_id=self._identity.id, all_settled=settled)
