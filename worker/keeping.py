"""Between claim and settle: who runs what, and what becomes of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from schema.attempts import Claimed, Failed, Failure, Hold, Outcome, Released, Settlement
from schema.runtime.logging import get_logger
from worker.attempt import Attempt, Reason, settlement
from worker.claimer import Batch
from worker.executors.executor import Executor
from worker.filing import Filing
from worker.handlers import Handler, Kind
from worker.link import Content
from worker.narrator import Narrator
from worker.running import Running
from worker.slots import Slots
from worker.unknown import UnknownTypes

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Writers:
    """Where the keeper sends what is to be written."""

    settle: Callable[[Settlement], None]
    save: Callable[[Hold, str], "Future[None]"]
    note: Callable[[Outcome, float], None]
    call_back: Callable[[Attempt, Failure], None]
    filing: Filing


class TaskKeeper:
    """Gives claimed tasks to executors, and their ends to the completer."""

    def __init__(self, handlers: Mapping[str, Handler], running: Running, slots: Slots) -> None:
        self._handlers = handlers
        self._running = running
        self._slots = slots
        self._narrator = Narrator()
        self._unknown = UnknownTypes()
        self._to_call: dict[Hold, tuple[Attempt, Failure]] = {}

    def connect(self, executors: Mapping[Kind, Executor], writers: Writers) -> None:
        """Take what it works with; each of these knows the keeper, so they come after it."""
        self._executors = executors
        self._writers = writers

    def start(self, batch: Batch) -> None:
        """Run claimed tasks; one of an unknown type is given back."""
        attempts: dict[Kind, list[Attempt]] = {}
        for task in batch.tasks:
            handler = self._handlers.get(task.task_type)
            if handler is None:
                self._give_back(task, batch)
                continue
            attempt = Attempt(
                claimed=task,
                handler=handler,
                worker_id=batch.worker_id,
                started_at=batch.answered_at,
                deadline=batch.asked_at + task.timeout_seconds,
            )
            attempts.setdefault(handler.kind, []).append(attempt)
        for kind, of_kind in attempts.items():
            self._running.enter(of_kind)
            self._executors[kind].submit(of_kind)

    def end(self, attempts: Sequence[Attempt], reason: Reason) -> None:
        """Tell handlers to end, for a reason."""
        by_kind: dict[Kind, list[Attempt]] = {}
        for attempt in attempts:
            if attempt.reason is None:
                attempt.reason = reason
            by_kind.setdefault(attempt.handler.kind, []).append(attempt)
            if reason is Reason.LOST:
                log.warning("lease lost", task_id=attempt.claimed.id, fence=attempt.claimed.fence)
        for kind, of_kind in by_kind.items():
            self._executors[kind].end(of_kind)

    def ended(self, attempt: Attempt, said: Outcome) -> None:
        """Settle an attempt whose handler ended, unless its lease is gone or it has ended."""
        seconds = time.monotonic() - attempt.started_at
        outcome = attempt.outcome(said)
        if not self._running.end(attempt, unsettled=outcome is not None) or outcome is None:
            return
        if isinstance(outcome, Failed) and (attempt.handler.on_retry or attempt.handler.on_failure):
            self._to_call[attempt.hold] = (attempt, outcome.failure)
        self._narrator.tell(attempt, outcome, seconds)
        self._writers.note(outcome, seconds)
        self._writers.settle(settlement(attempt.claimed, attempt.worker_id, outcome, seconds))

    def freed(self, attempt: Attempt) -> None:
        """Free the slot of an attempt, and what was laid ready for it."""
        self._slots.give_back()
        self._writers.filing.forget(attempt.hold)

    def save(self, hold: Hold, checkpoint: str) -> "Future[None]":
        """Save a checkpoint."""
        return self._writers.save(hold, checkpoint)

    def fetch(self, hold: Hold, file_id: int) -> "Future[Path]":
        """Lay a file ready."""
        return self._writers.filing.fetch(hold, file_id)

    def keep(self, hold: Hold, content: Content) -> "Future[int]":
        """Store a file."""
        return self._writers.filing.keep(hold, content)

    def settled(self, batch: Sequence[Settlement], lost: Sequence[Settlement]) -> None:
        """Take note of what was written, and of what was refused because its lease was lost."""
        self._running.settled(batch)
        for item in lost:
            log.warning("the outcome was refused", task_id=item.task_id, fence=item.fence)
        if self._to_call:
            self._call_back(batch, {(item.task_id, item.fence) for item in lost})

    def _call_back(self, batch: Sequence[Settlement], lost: set[Hold]) -> None:
        for item in batch:
            failing = self._to_call.pop((item.task_id, item.fence), None)
            if failing is not None and (item.task_id, item.fence) not in lost:
                self._writers.call_back(*failing)

    def _give_back(self, task: Claimed, batch: Batch) -> None:
        delay = self._unknown.delay(task.task_type, task.id)
        message = f'no handler is registered for task_type "{task.task_type}"'
        outcome = Released(delay, Failure("UnknownTaskType", message))
        self._writers.settle(settlement(task, batch.worker_id, outcome, 0))
        self._slots.give_back()
