"""What a handler raises, and what is raised in it, other than errors.

Exception
├── PermanentFailure  raised by a handler: the task fails at once, whatever retries are left
├── Retry             raised by a handler: the attempt fails by a fault outside, and is retried
├── Snooze            raised by a handler: the task is put off, and no retry is counted
├── Hold              raised by a handler: the task is paused until a person looks at it
├── PauseQueue        raised by a handler: the task is given back, and its queue is paused
├── LeaseLost         raised by `context.save` and `keep`: the task is another's, or nobody's, now
└── FileMissing       raised by `context.fetch`: there is no such file
BaseException
└── HandlerEnded      raised in a `def` handler that is told to end, so that it can clean up
"""

from schema.documents import storable
from schema.states import AttemptOutcome

YEAR_SECONDS = 31_536_000


class PermanentFailure(Exception):  # noqa: N818  # it is a decision of the handler's
    """Fails the task for good: another attempt would fail the same way.

    `outcome` is "failed", or "timed_out" for handlers that keep a clock of their own.
    """

    def __init__(self, message: str, outcome: str = "failed") -> None:
        super().__init__(message)
        self.outcome = AttemptOutcome(outcome)
        if self.outcome not in {AttemptOutcome.FAILED, AttemptOutcome.TIMED_OUT}:
            raise ValueError(f'PermanentFailure takes "failed" or "timed_out", not "{outcome}"')


class Retry(Exception):  # noqa: N818  # it is a decision of the handler's
    """Fails the attempt, as any error does, while nothing is wrong with this worker.

    The retry, if one is left, is due after `seconds`; None: after the usual backoff.
    """

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = None if seconds is None else _seconds("Retry", seconds)


class Snooze(Exception):  # noqa: N818  # it is no error
    """Gives the task back for `seconds`, uncounted: what it needs is not there yet."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"snoozed for {seconds:g} s")
        self.seconds = _seconds("Snooze", seconds)


class Hold(Exception):  # noqa: N818  # it is no error
    """Pauses the task with a reason, until an operator starts or resumes it."""

    def __init__(self, reason: str) -> None:
        self.reason = storable(reason)
        super().__init__(self.reason)


class PauseQueue(Exception):  # noqa: N818  # it is no error
    """Gives the task back in its place and pauses its queue, so that the next does not overtake.

    After `seconds` the queue resumes by itself; None: when an operator resumes it.
    """

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        self.reason = storable(reason)
        super().__init__(self.reason)
        self.seconds = None if seconds is None else _seconds("PauseQueue", seconds)


class LeaseLost(Exception):  # noqa: N818  # it happened to the handler
    """The lease is gone: nothing that this attempt writes is taken any more."""

    def __init__(self, message: str = "the lease was lost") -> None:
        super().__init__(message)


class FileMissing(Exception):  # noqa: N818  # it happened to the handler
    """There is no such file, and there will be none: numbers are not given twice."""


class HandlerEnded(BaseException):
    """The handler is told to end: clean up, and let it through."""


def _seconds(name: str, seconds: float) -> float:
    if not 0 <= seconds <= YEAR_SECONDS:
        raise ValueError(f"{name} takes 0 to 31,536,000 seconds (a year), got {seconds}")
    return float(seconds)
