"""What a refusal of RunningHub means for the task, as the worker's own signals."""

from schema.runtime.runninghub.codes import Meaning
from schema.runtime.runninghub.errors import HubError, Refusal, Unreachable
from worker.signals import PauseQueue, PermanentFailure

FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 300.0

FULL = frozenset({Meaning.CAPACITY, Meaning.QUEUED, Meaning.RUNNING, Meaning.RUN_FAILED})
"""What a create is answered with when nothing more is taken: 804 is another run of the key, and
805 was seen there too."""


def is_certain(error: HubError) -> bool:
    """Whether it is certain that a create came to nothing."""
    if isinstance(error, Refusal):
        return error.meaning is not Meaning.PASSING
    return isinstance(error, Unreachable)


def signal_of(error: HubError, refusals: int) -> Exception:
    """Return what a handler raises when a call came to nothing, `refusals` times before.

    The queue is paused, for longer each time, when the next task would meet the same: so this
    one keeps its place. What would be refused again fails the task for good.
    """
    if not isinstance(error, Refusal) or error.meaning is Meaning.PASSING:
        return PauseQueue(str(error), pause_seconds(FIRST_PAUSE_SECONDS, refusals))
    if error.meaning in FULL:
        seconds = error.wait_seconds or FIRST_PAUSE_SECONDS
        return PauseQueue(str(error), pause_seconds(seconds, refusals))
    if error.meaning in {Meaning.KEY, Meaning.BALANCE}:
        return PauseQueue(str(error))
    return PermanentFailure(str(error))


def pause_seconds(first: float, refusals: int) -> float:
    """Return how long to wait: twice as long each time, up to 5 minutes."""
    return min(first * 2.0 ** min(refusals, 10), LONGEST_PAUSE_SECONDS)
