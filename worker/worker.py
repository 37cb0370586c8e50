"""One worker process: its parts, how they are started, and in which order they end."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from sqlalchemy import Engine

from schema.announcing import announced
from schema.attempts import Hold, Settlement
from schema.endings import Backoff
from schema.leases import release_unknown
from schema.queue_choice import QueueChoice
from schema.runtime import metrics, tracing
from schema.runtime.engine import create_thread_engine
from schema.runtime.files import open_store
from schema.runtime.logging import get_logger
from schema.runtime.settings import Settings, host_name
from schema.runtime.stopping import Stopping
from schema.runtime.transactions import run
from schema.settling import count_ends
from schema.version import VERSION
from schema.workers import WorkerDescription
from worker.backpressure import Backpressure
from worker.callbacks import Callbacks
from worker.claimer import Batch, Claimant, Claimer
from worker.completer import Completer
from worker.draining import Drain, Parts
from worker.executors.children import Nursery
from worker.executors.coroutine import CoroutineExecutor
from worker.executors.executor import Executor
from worker.executors.process import ProcessExecutor
from worker.executors.thread import ThreadExecutor
from worker.filing import Filing
from worker.handlers import Handler, Kind
from worker.heart import Heart, Reflexes
from worker.identity import Identity
from worker.keeping import TaskKeeper, Writers
from worker.pulse import pulse_in
from worker.running import Running
from worker.saver import Saver
from worker.slots import Slots
from worker.streak import Streak
from worker.threads import watched
from worker.tracing import Traces
from worker.vigil import Vigil
from worker.watchdog import Watchdog

log = get_logger(__name__)

HEART_ANSWER_SECONDS = 3
"""How long the heart waits for an answer: a connection that is half open must not cost the worker
its leases, which the reaper takes after WORKER_DEAD_SECONDS of silence."""

LOOK_SECONDS = 0.1
"""How often a worker that is to end by itself looks whether its work is done."""


class Worker:
    """Claims, runs and settles until it is told to stop."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        handlers: Mapping[str, Handler],
        stopping: Stopping,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._handlers = handlers
        self._stopping = stopping
        self._failed = threading.Event()
        spans = tracing.active()
        self._traces = None if spans is None else Traces(spans)
        self._identity = Identity()
        self._running = Running()
        self._slots = Slots(settings.worker_concurrency)
        self._heart_engine = create_thread_engine(
            settings.database, connections=1, answer_seconds=HEART_ANSWER_SECONDS
        )
        self._keeper = keeper = TaskKeeper(handlers, self._running, self._slots)
        self._backoff = Backoff(settings.retry_backoff_seconds, settings.retry_backoff_max_seconds)
        self._completer = Completer(engine, self._backoff, self._settled, self._fail)
        self._saver = Saver(engine, self._fail)
        self._filing = Filing(engine, open_store(settings))
        self._callbacks = Callbacks(engine, keeper, self._fail)
        queues = QueueChoice.parse(settings.worker_queues)
        aging = settings.priority_aging_seconds
        who = Claimant(self._identity, queues, self._running, aging)
        pressure = Backpressure(self._completer.backlog, self._slots.total)
        self._claimer = Claimer(engine, who, self._slots, self._begin, pressure, self._fail)
        vigil = Vigil(self._slots, self._fail)
        reflexes = Reflexes(
            keeper.end, self._release_unknown, vigil, pulse_in(settings.worker_health_file)
        )
        self._heart = Heart(self._heart_engine, self._identity, self._running, reflexes, self._fail)
        self._executors = self._make_executors()
        self._parts = self._make_parts()
        streak = Streak(self._claimer.rest)
        put, note, call = self._completer.put, streak.note, self._callbacks.call
        writers = Writers(put, self._saver.save, note, call, self._filing)
        keeper.connect(self._executors, writers)

    def run(self, is_done: Callable[[], bool] | None = None) -> bool:
        """Work until asked to stop, then drain; False when a part of it failed.

        With `is_done` also until that says so: then what runs may end, however long it takes.
        """
        with announced(self._settings, self._engine, self._heart_engine):
            return self._run(is_done)

    def _run(self, is_done: Callable[[], bool] | None) -> bool:
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
        for dog in watchdog:
            dog.stop()
        log.info("worker draining", worker_id=self._identity.id)
        settled = Drain(self._parts, self._stopping, self._settings.worker_grace_seconds).run()
        self._heart_engine.dispose()
        log.info("worker stopped", worker_id=self._identity.id, all_settled=settled)
        return not self._failed.is_set()

    def _work(self, is_done: Callable[[], bool] | None) -> None:
        if is_done is None:
            self._stopping.wait_until_asked()
            return
        # In a thread of its own, so that a database that hangs does not hold up a stop.
        finishing = watched("finishing", partial(self._finish, is_done), self._fail)
        finishing.start()
        while finishing.is_alive() and not self._stopping.asked.wait(LOOK_SECONDS):
            pass

    def _finish(self, is_done: Callable[[], bool]) -> None:
        """Wait until all is done, and what runs then has ended; or until asked to stop."""
        while not is_done():
            if self._stopping.asked.wait(LOOK_SECONDS):
                return
        self._claimer.stop()
        while not self._parts.is_idle():
            if self._stopping.asked.wait(LOOK_SECONDS):
                return

    def _make_parts(self) -> Parts:
        return Parts(
            claimer=self._claimer,
            running=self._running,
            keeper=self._keeper,
            completer=self._completer,
            others=[self._callbacks.close, self._saver.close],
            heart=self._heart,
            executors=[
                *[executor.close for executor in self._executors.values()],
                self._filing.close,
            ],
        )

    def _make_executors(self) -> dict[Kind, Executor]:
        settings = self._settings
        nursery = Nursery(
            settings.handler_modules,
            most_tasks=settings.worker_child_tasks,
            memory_bytes=settings.child_memory_bytes,
        )
        made: dict[Kind, Executor] = {
            Kind.COROUTINE: CoroutineExecutor(self._keeper, self._fail),
            Kind.THREAD: ThreadExecutor(self._keeper, self._fail),
            Kind.PROCESS: ProcessExecutor(self._keeper, nursery, self._fail),
        }
        kinds = {handler.kind for handler in self._handlers.values()}
        return {kind: executor for kind, executor in made.items() if kind in kinds}

    def _watchdog(self) -> list[Watchdog]:
        executor = self._executors.get(Kind.COROUTINE)
        return [Watchdog(executor, self._fail)] if isinstance(executor, CoroutineExecutor) else []

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

    def _begin(self, batch: Batch) -> None:
        if self._traces is not None:
            batch = self._traces.begin(batch)
        self._keeper.start(batch)
        if self._settings.metrics_port is not None:
            metrics.note_started(
                [(task.queue, task.available_at, task.started_at) for task in batch.tasks]
            )

    def _settled(self, batch: Sequence[Settlement], lost: Sequence[Settlement]) -> None:
        self._keeper.settled(batch, lost)
        if self._traces is not None:
            self._traces.end(batch, lost)
        if self._settings.metrics_port is not None:
            refused = {(each.task_id, each.fence) for each in lost}
            taken = (each for each in batch if (each.task_id, each.fence) not in refused)
            count_ends(taken, len(lost))
        self._claimer.note_settled()

    def _release_unknown(self, holds: Sequence[Hold]) -> None:
        """Give back leases of claims whose COMMIT was not answered."""
        release = partial(release_unknown, worker_id=self._identity.id, holds=holds)
        count = run(
            self._heart_engine, lambda connection: release(connection, backoff=self._backoff)
        )
        if count:
            log.warning("gave back leases of an unanswered claim", count=count)
