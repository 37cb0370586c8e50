"""The spans of a worker: `claim` and `run` for each attempt, children of what the row carries."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from schema.attempts import Claimed, Failed, Hold, Settlement
from schema.endings import outcome_word
from schema.states import AttemptOutcome
from worker.claimer import Batch

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from schema.runtime.spans import Spans

GRACE_SECONDS = 60.0
"""How long after its lease's end an attempt that nobody settled is forgotten."""


class Traces:
    """The attempts under way, each with its span."""

    def __init__(self, spans: "Spans") -> None:
        self._spans = spans
        self._running: dict[Hold, tuple[Span, float]] = {}

    def begin(self, batch: Batch) -> Batch:
        """Note that tasks were claimed and now run; return them with their own spans."""
        now = time.time_ns() - time.monotonic_ns()
        asked, answered = (now + int(at * 1e9) for at in (batch.asked_at, batch.answered_at))
        self._forget(time.monotonic())
        return replace(batch, tasks=[self._begin(task, asked, answered) for task in batch.tasks])

    def end(self, batch: Sequence[Settlement], lost: Sequence[Settlement]) -> None:
        """Note that attempts ended; those whose lease was lost, too."""
        refused = {(each.task_id, each.fence) for each in lost}
        for each in batch:
            hold = (each.task_id, each.fence)
            found = self._running.pop(hold, None)
            if found is None:
                continue
            word = str(AttemptOutcome.LOST) if hold in refused else outcome_word(each.outcome)
            failure = each.outcome.failure if isinstance(each.outcome, Failed) else None
            error = failure.error_class if failure else None
            self._spans.end(found[0], word, error if hold not in refused else "LeaseLost")

    def _begin(self, task: Claimed, asked: int, answered: int) -> Claimed:
        about: dict[str, str | int | float] = {
            "messaging.system": "rowlease",
            "messaging.destination.name": task.queue,
            "messaging.message.id": str(task.id),
            "rowlease.task_type": task.task_type,
            "rowlease.attempt": task.attempt,
        }
        claim = self._spans.begin(f"claim {task.queue}", task.traceparent, about, start_time=asked)
        claim.end(answered)
        span = self._spans.begin(
            f"run {task.task_type}", self._spans.traceparent(claim), about, start_time=answered
        )
        over = time.monotonic() + task.timeout_seconds + GRACE_SECONDS
        self._running[task.id, task.fence] = span, over
        return task._replace(traceparent=self._spans.traceparent(span))

    def _forget(self, now: float) -> None:
        """End the spans of attempts whose lease was lost, so that nobody settled them."""
        for hold, (span, over) in list(self._running.items()):
            if over < now:
                del self._running[hold]
                self._spans.end(span, str(AttemptOutcome.LOST), "LeaseLost")
