"""One worker process: its parts, how they are started, and in which order they end."""

import os
import secrets
import threading
import time
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Engine

from schema.attempts import Claimed, Failure, Outcome, Released, Settlement
from schema.endings import Backoff
from schema.runtime.logging import get_logger
from schema.runtime.settings import Settings, host_name
from schema.runtime.stopping import Stopping
from worker.claimer import Batch, Claimant, Claimer
from worker.completer import Completer
from worker.executors.coroutine import CoroutineExecutor
from worker.executors.executor import Executor
from worker.executors.process import ProcessExecutor
from worker.handlers import Handler, Kind
from worker.performing import Job
from worker.queues import QueueChoice
from worker.slots import Slots

log = get_logger(__name__)

UNKNOWN_TYPE_DELAY_SECONDS = 10.0
"""How long a task waits whose type this worker has no handler for: another may know it."""

RELEASE_SECONDS = 2.0
"""How long released handlers may take to end."""

SETTLE_SECONDS = 3.0
"""How long the last ends may take to be written."""


def new_worker_id() -> str:
    """Return an id that says where the process is and is no other start's: host:pid:random."""
    return f"{host_name()[:15]}:{os.getpid()}:{secrets.token_hex(4)}"


class Worker:
    """Claims, runs and settles until it is told to stop."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        handlers: Mapping[str, Handler],
        stopping: Stopping,
    ) -> None:
        self.id = new_worker_id()
        self._handlers = handlers
        self._grace_seconds = settings.worker_grace_seconds
        self._stopping = stopping
        self._failed = threading.Event()
        self._slots = Slots(settings.worker_concurrency)
        backoff = Backoff(settings.retry_backoff_seconds, settings.retry_backoff_max_seconds)
        self._completer = Completer(engine, backoff, self._fail)
        who = Claimant(self.id, QueueChoice.parse(settings.worker_queues))
        self._claimer = Claimer(engine, who, self._slots, self._start, self._fail)
        self._executors: Mapping[Kind, Executor] = {
            Kind.COROUTINE: CoroutineExecutor(self._done),
            Kind.PROCESS: ProcessExecutor(self._done, settings.handler_modules, self._fail),
        }

    def run(self) -> bool:
        """Work until asked to stop, then drain; False when a part of it failed."""
        kinds = {handler.kind for handler in self._handlers.values()}
        self._executors = {kind: self._executors[kind] for kind in kinds}
        for executor in self._executors.values():
            executor.start()
        self._completer.start()
        self._claimer.start()
        log.info("worker started", worker_id=self.id, slots=self._slots.total)
        self._stopping.asked.wait()
        self._drain()
        return not self._failed.is_set()

    def _fail(self) -> None:
        self._failed.set()
        self._stopping.asked.set()

    def _start(self, batch: Batch) -> None:
        jobs: dict[Kind, list[Job]] = {}
        for task in batch.tasks:
            handler = self._handlers.get(task.task_type)
            if handler is None:
                self._give_back_unknown(task)
                continue
            job = Job(task, handler, batch.answered_at, batch.asked_at + task.timeout_seconds)
            jobs.setdefault(handler.kind, []).append(job)
        for kind, of_kind in jobs.items():
            self._executors[kind].submit(of_kind)

    def _give_back_unknown(self, task: Claimed) -> None:
        message = f'no handler is registered for task_type "{task.task_type}"'
        log.warning("unknown task type", task_id=task.id, task_type=task.task_type)
        failure = Failure("UnknownTaskType", message)
        self._settle(task, 0, Released(UNKNOWN_TYPE_DELAY_SECONDS, failure))

    def _done(self, job: Job, outcome: Outcome) -> None:
        self._settle(job.claimed, time.monotonic() - job.started_at, outcome)

    def _settle(self, task: Claimed, seconds: float, outcome: Outcome) -> None:
        self._completer.put(
            Settlement(
                task_id=task.id,
                fence=task.fence,
                attempt=task.attempt,
                worker_id=self.id,
                available_at=task.available_at,
                started_at=task.started_at,
                ended_at=task.started_at + timedelta(seconds=seconds),
                outcome=outcome,
            )
        )
        self._slots.give_back()

    def _drain(self) -> None:
        """Claim nothing more, let handlers end, release the rest, write all ends."""
        log.info("worker draining", worker_id=self.id)
        self._claimer.stop()
        deadline = time.monotonic() + self._grace_seconds
        while not self._slots.wait_until_all_free(0.1):
            if self._stopping.hurried.is_set() or time.monotonic() > deadline:
                for executor in self._executors.values():
                    executor.release_all()
                self._slots.wait_until_all_free(RELEASE_SECONDS)
                break
        settled = self._completer.close(SETTLE_SECONDS)
        for executor in self._executors.values():
            executor.close()
        log.info("worker stopped", worker_id=self.id, all_settled=settled)
