"""Runs: what was created, and where each stands at a moment of the double's clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tools.runninghub_double.refusals import Refused


class RunStatus(StrEnum):
    """RunningHub's words."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class End(StrEnum):
    """What becomes of a run in the end."""

    SUCCESS = "success"
    EMPTY = "empty"
    FAILURE = "failure"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Script:
    """How runs go that are created from now on."""

    queue_seconds: float = 2
    run_seconds: float = 6
    end: End = End.SUCCESS


ACTIVE = frozenset({RunStatus.QUEUED, RunStatus.RUNNING})
COINS = 17


@dataclass(slots=True)
class Run:
    """A run that is paid for once it has succeeded."""

    id: str
    key: str
    workflow_id: str
    nodes: Sequence[Mapping[str, Any]]
    script: Script
    created_at: float
    cancelled_at: float | None = field(default=None)
    webhook: str | None = field(default=None)

    def status(self, now: float) -> RunStatus:
        """Return where it stands."""
        age = now - self.created_at
        if self.cancelled_at is not None:
            return RunStatus.FAILED
        if age < self.script.queue_seconds:
            return RunStatus.QUEUED
        if self.script.end is End.NEVER or age < self.ends_after:
            return RunStatus.RUNNING
        return RunStatus.FAILED if self.script.end is End.FAILURE else RunStatus.SUCCESS

    @property
    def ends_after(self) -> float:
        """Seconds from its creation to its end."""
        return self.script.queue_seconds + self.script.run_seconds

    def share(self, now: float) -> float:
        """Return how much of it is done, from 0 to 1."""
        worked = now - self.created_at - self.script.queue_seconds
        return min(max(worked / self.script.run_seconds, 0), 1) if self.script.run_seconds else 1.0

    def told(self, now: float) -> dict[str, Any]:
        """Return what the control routes tell of it."""
        return {
            "id": self.id,
            "workflow_id": self.workflow_id,
            "nodes": list(self.nodes),
            "status": self.status(now),
            "cancelled": self.cancelled_at is not None,
            "webhook": self.webhook,
        }


def failure_of(run: Run) -> Refused:
    """Return the answer about a run that failed or was cancelled."""
    cancelled = run.cancelled_at is not None
    reason = {
        "exception_type": "InterruptedError" if cancelled else "RuntimeError",
        "exception_message": "cancelled" if cancelled else "CUDA out of memory",
        "node_id": "3",
        "node_name": "KSampler",
        "traceback": "[]",
    }
    return Refused(805, "APIKEY_TASK_STATUS_ERROR", {"failedReason": reason})
