"""An attempt under way, from its claim to its settlement."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from typing import assert_never

from schema.attempts import (
    Claimed,
    Failed,
    Failure,
    Hold,
    Outcome,
    Progress,
    Released,
    Settlement,
    Succeeded,
    timed_out,
)
from schema.states import AttemptOutcome
from worker.handlers import Handler


class Reason(Enum):
    """Why a worker ends a handler that still runs."""

    DEADLINE = auto()
    STOPPED = auto()
    RELEASED = auto()
    LOST = auto()


@dataclass(slots=True, eq=False)
class Attempt:
    """A claimed task that this worker runs.

    `started_at` and `deadline` are on this host's monotonic clock: not before the moment that
    `claimed.started_at` is on the database's, so that attempts do not seem to overlap, and not
    after the end of the lease. `reason` is set before its handler is told to end.
    """

    claimed: Claimed
    handler: Handler
    worker_id: str
    started_at: float
    deadline: float
    reason: Reason | None = None
    progress: Progress | None = field(default=None)

    @property
    def hold(self) -> Hold:
        """The proof of the lease."""
        return (self.claimed.id, self.claimed.fence)

    def outcome(self, said: Outcome) -> Outcome | None:
        """Return what is settled when its handler ended with `said`; None: nothing is.

        A handler that succeeded although it was told to end did succeed, as far as its fence
        still holds.
        """
        if isinstance(said, Succeeded) and self.reason is not Reason.LOST:
            return said
        match self.reason:
            case None:
                return said
            case Reason.DEADLINE:
                return timed_out(self.claimed.timeout_seconds)
            case Reason.STOPPED:
                return Failed(_last_words(said), AttemptOutcome.CANCELLED)
            case Reason.RELEASED:
                return Released()
            case Reason.LOST:
                return None
            case _:
                assert_never(self.reason)


def settlement(task: Claimed, worker_id: str, outcome: Outcome, seconds: float) -> Settlement:
    """Return the end of an attempt that took `seconds` by a monotonic clock."""
    return Settlement(
        task_id=task.id,
        fence=task.fence,
        attempt=task.attempt,
        worker_id=worker_id,
        available_at=task.available_at,
        started_at=task.started_at,
        ended_at=task.started_at + timedelta(seconds=seconds),
        outcome=outcome,
        has_callback=task.has_callback,
        queue=task.queue,
    )


ENDED = Failed(Failure("Cancelled", "the handler was told to end"))
"""What executors say of a handler that ended because it was told to."""


def _last_words(said: Outcome) -> Failure:
    if isinstance(said, Failed) and said != ENDED:
        return said.failure
    return Failure("Cancelled", "stopped")
