"""Endings: what each outcome of an attempt writes to its task and to its attempts row."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, assert_never

from schema.attempts import (
    MESSAGE_LENGTH,
    TRACEBACK_LENGTH,
    Claimed,
    Failed,
    Failure,
    Held,
    Lost,
    Outcome,
    QueuePaused,
    Released,
    Settlement,
    Snoozed,
    Succeeded,
)
from schema.inserting import Written
from schema.limits import ERROR_CLASS_LENGTH, MOST_CRASHES, MOST_SNOOZES
from schema.states import AttemptOutcome


@dataclass(frozen=True, slots=True)
class Backoff:
    """The wait before a retry: a random part of base_seconds * 2^retries, capped.

    Full jitter, as in "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
    """

    base_seconds: float = 1
    max_seconds: float = 300


@dataclass(frozen=True, slots=True)
class Ending:
    """What is written to a task: the same for all tasks whose attempts ended the same way.

    MySQL and MariaDB assign from left to right: what follows `status` reads its new value.
    """

    changes: str
    parameters: tuple[Any, ...] = ()
    guard: str = "delete_requested_at IS NULL AND stop_requested_at IS NULL"


WAITING_AGAIN = "status = IF(current_retry_count = 0, 'to_do', 'retrying')"

DONE = Ending(
    "status = 'done', completed_at = UTC_TIMESTAMP(6), finished_at = UTC_TIMESTAMP(6)",
    guard="delete_requested_at IS NULL",
)
CANCELLED = Ending(
    "status = 'cancelled', finished_at = UTC_TIMESTAMP(6)", guard="delete_requested_at IS NULL"
)
_BACKOFF = "RAND() * LEAST(%s, %s * POW(2, current_retry_count))"
RETRY = f"""status = IF(current_retry_count < retry_limit, 'retrying', 'failed'),
    finished_at = IF(status = 'failed', UTC_TIMESTAMP(6), NULL),
    available_at = IF(status = 'failed', available_at, UTC_TIMESTAMP(6)
        + INTERVAL {_BACKOFF} SECOND),
    current_retry_count = current_retry_count + (status = 'retrying'),
    last_error = %s, error_class = %s"""
RETRY_LATER = RETRY.replace(_BACKOFF, "%s")
FAILED = "status = 'failed', finished_at = UTC_TIMESTAMP(6), last_error = %s, error_class = %s"
CRASHED = f"""crash_count = crash_count + 1,
    {RETRY.replace("retry_limit", f"IF(crash_count < {MOST_CRASHES}, retry_limit, 0)")}"""
SNOOZED = f"""snooze_count = snooze_count + 1,
    status = IF(snooze_count >= {MOST_SNOOZES}, 'failed',
        IF(current_retry_count = 0, 'to_do', 'retrying')),
    finished_at = IF(status = 'failed', UTC_TIMESTAMP(6), NULL),
    last_error = IF(status = 'failed', 'put off {MOST_SNOOZES} times', last_error),
    error_class = IF(status = 'failed', 'TooManySnoozes', error_class),
    available_at = IF(status = 'failed', available_at,
        UTC_TIMESTAMP(6) + INTERVAL %s SECOND)"""
HELD = "status = 'paused', last_error = %s, error_class = 'Hold'"
TAKEN_OVER = f"{WAITING_AGAIN}, lost_count = lost_count + 1, last_error = %s, error_class = %s"
RELEASED = Ending(WAITING_AGAIN)
DELAYED = f"""{WAITING_AGAIN}, available_at = UTC_TIMESTAMP(6) + INTERVAL %s SECOND,
    last_error = %s, error_class = %s"""


@lru_cache
def silent(ending: Ending) -> Ending:
    """Return the same for tasks without a callback, so that one that has it is not missed."""
    return replace(ending, guard=f"{ending.guard} AND callback_url IS NULL")


def ending_of(outcome: Outcome, backoff: Backoff) -> Ending:
    """Return what an outcome writes to its task."""
    match outcome:
        case Succeeded():
            ending = DONE
        case Failed():
            ending = _ending_of_failure(outcome, backoff)
        case Lost(failure, resumable):
            taken_over = Ending(TAKEN_OVER, _error(failure))
            retried = Ending(RETRY, (*_wait(backoff), *_error(failure)))
            ending = taken_over if resumable else retried
        case Snoozed(seconds):
            ending = Ending(SNOOZED, (seconds,))
        case Released(delay_seconds, failure) if failure is not None:
            ending = Ending(DELAYED, (delay_seconds, *_error(failure)))
        case Released() | QueuePaused():
            ending = RELEASED
        case Held(reason):
            ending = Ending(HELD, (reason[:MESSAGE_LENGTH],))
        case _:
            assert_never(outcome)
    return ending


def _ending_of_failure(failed: Failed, backoff: Backoff) -> Ending:
    error = _error(failed.failure)
    if failed.for_good:
        return Ending(FAILED, error)
    if failed.outcome == AttemptOutcome.CRASHED:
        return Ending(CRASHED, (*_wait(backoff), *error))
    if failed.retry_seconds is not None:
        return Ending(RETRY_LATER, (failed.retry_seconds, *error))
    return Ending(RETRY, (*_wait(backoff), *error))


def _wait(backoff: Backoff) -> tuple[float, float]:
    return backoff.max_seconds, backoff.base_seconds


def _error(failure: Failure) -> tuple[str, str]:
    return failure.message[:MESSAGE_LENGTH], failure.error_class[:ERROR_CLASS_LENGTH]


def is_last(claimed: Claimed, failed: Failed) -> bool:
    """Whether a task will not be retried after this, as far as its claim could tell.

    RETRY decides. Of earlier crashes a claim knows only how many there can be.
    """
    limit = claimed.retry_limit
    if failed.outcome == AttemptOutcome.CRASHED:
        limit = min(limit, MOST_CRASHES - 1)
    return failed.for_good or claimed.attempt > limit


def outcome_word(outcome: Outcome) -> AttemptOutcome:
    """Return the word that `task_attempts` has for an outcome."""
    match outcome:
        case Succeeded():
            word = AttemptOutcome.SUCCEEDED
        case Failed(_, word):
            pass
        case Lost():
            word = AttemptOutcome.LOST
        case Snoozed():
            word = AttemptOutcome.SNOOZED
        case Released() | QueuePaused():
            word = AttemptOutcome.RELEASED
        case Held():
            word = AttemptOutcome.HELD
        case _:
            assert_never(outcome)
    return word


def failure_of(outcome: Outcome) -> Failure | None:
    """Return the error or the reason that `task_attempts` keeps of an outcome."""
    match outcome:
        case Succeeded():
            failure = None
        case Failed(failure) | Lost(failure) | Released(_, failure):
            pass
        case Snoozed(seconds):
            failure = Failure("Snooze", f"put off for {seconds:g} s")
        case Held(reason):
            failure = Failure("Hold", reason)
        case QueuePaused(_, reason):
            failure = Failure("PauseQueue", reason)
        case _:
            assert_never(outcome)
    return failure


def attempt_row(item: Settlement) -> Written:
    """Return the values of an attempts row, in the order of `statements.INSERT_ATTEMPTS`.

    Numbers, times and our own words go into the text: the driver would spend three times as
    long on escaping them.
    """
    texts = [*_recorded(failure_of(item.outcome)), _result_of(item.outcome)]
    marks = ",".join(["NULL" if text is None else "%s" for text in texts])
    values = (
        f"({item.task_id},{item.fence},{item.attempt},%s,'{_shared(item.available_at)}',"
        f"'{_shared(item.started_at)}','{item.ended_at}','{outcome_word(item.outcome)}',{marks})"
    )
    return values, (item.worker_id, *[text for text in texts if text is not None])


@lru_cache
def _shared(moment: datetime) -> str:
    """Return the text of a moment that the rows of one claim, or of one INSERT, have in common."""
    return str(moment)


def _result_of(outcome: Outcome) -> str | None:
    return outcome.result if isinstance(outcome, Succeeded) else None


def _recorded(failure: Failure | None) -> tuple[str | None, str | None, str | None]:
    if failure is None:
        return None, None, None
    message, error_class = _error(failure)
    return error_class, message, failure.traceback and failure.traceback[-TRACEBACK_LENGTH:]
