"""An attempt as values: what was claimed, and how it ended.

One `match` in `schema.settling` turns the ends into writes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from schema.new_task import NewTask
from schema.states import AttemptOutcome

MESSAGE_LENGTH = 4_000
"""Characters of an error message that are kept."""

TRACEBACK_LENGTH = 100_000
"""Characters of a traceback that are kept: its end, where the error is."""


# Claimed and Settlement are made thousands of times a second; frozen dataclasses take three
# times as long.
class Claimed(NamedTuple):
    """A task that a worker holds, as it was when it was claimed.

    `payload` and `checkpoint` are JSON text. `run_fence` is the fence of the first claim since the
    task was created or started.
    """

    id: int
    fence: int
    title: str
    task_type: str
    queue: str
    account_id: str | None
    timeout_seconds: int
    attempt: int
    available_at: datetime
    started_at: datetime
    traceparent: str | None
    payload: str | None
    tags: tuple[str, ...]
    checkpoint: str | None = None
    retry_limit: int = 0
    run_fence: int = 1
    has_callback: bool = False


Hold = tuple[int, int]
"""Task id and fence: the proof of a lease."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a handler reports of an attempt under way."""

    percent: float | None
    message: str | None
    stage: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong: the class to group by, the message to read, the traceback to search."""

    error_class: str
    message: str
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned. `result` is JSON text, None when it returned None.

    `enqueued` are the tasks that it asked for: they are created in the transaction that settles
    this one.
    """

    result: str | None = None
    enqueued: tuple[NewTask, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed: a retry follows while there is one left, unless it is `for_good`.

    It is due after `retry_seconds`; None: after the backoff. `is_outside`: the fault is not the
    worker's.
    """

    failure: Failure
    outcome: AttemptOutcome = AttemptOutcome.FAILED
    for_good: bool = False
    retry_seconds: float | None = None
    is_outside: bool = False


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The handler put the task off for `seconds`; no retry is counted."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Released:
    """The task is given back unrun; nothing is counted.

    It keeps its place, or waits `delay_seconds` with the `failure` that tells why this worker
    could not run it.
    """

    delay_seconds: float = 0
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """The handler wants a person to look: the task is paused with this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class QueuePaused:
    """The task is given back, and its queue is paused with this reason.

    After `seconds` the queue resumes by itself; None: when somebody resumes it.
    """

    queue: str
    reason: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker died. A `resumable` attempt saved a checkpoint: the next one takes it over."""

    failure: Failure
    resumable: bool = False


Outcome = Succeeded | Failed | Snoozed | Released | Held | QueuePaused | Lost


class Settlement(NamedTuple):
    """The end of one attempt, with the fence that proves its lease.

    `available_at` and `started_at` are the claim's, `ended_at` is `started_at` plus the time
    that a monotonic clock measured; all naive UTC. `has_callback`: whether the task had a
    callback_url when it was claimed.
    """

    task_id: int
    fence: int
    attempt: int
    worker_id: str
    available_at: datetime
    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    has_callback: bool = False
    queue: str = ""


def timed_out(timeout_seconds: int) -> Failed:
    """Return the outcome of an attempt whose lease was over."""
    message = f"timed out: the lease of {timeout_seconds} s was over"
    return Failed(Failure("TimedOut", message), AttemptOutcome.TIMED_OUT)


def worker_lost(worker_id: str, *, resumable: bool) -> Lost:
    """Return the outcome of an attempt whose worker died or ended without settling it."""
    return Lost(Failure("WorkerLost", f"its worker {worker_id} died"), resumable)
