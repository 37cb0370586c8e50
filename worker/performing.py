"""Performing one attempt: payload in, outcome out; the same in every executor."""

import asyncio
import traceback
from typing import Any

from pydantic import BaseModel, ValidationError

from schema.attempts import (
    Claimed,
    Failed,
    Failure,
    Held,
    Outcome,
    QueuePaused,
    Snoozed,
    Succeeded,
)
from schema.documents import RESULT_BYTES, DocumentError, decode, encode, storable
from worker.attempt import ENDED
from worker.context import Context
from worker.handlers import Handler
from worker.link import Link
from worker.signals import (
    FileMissing,
    HandlerEnded,
    Hold,
    PauseQueue,
    PermanentFailure,
    Retry,
    Snooze,
)


async def perform_coroutine(handler: Handler, claimed: Claimed, link: Link) -> Outcome:
    """Run an `async def` handler; every error becomes an outcome but its own cancellation."""
    try:
        context = Context(claimed, link, blocking=False)
        payload = _payload(handler, claimed.payload)
        return _succeeded(await handler.function(context, payload), context)
    except Exception as error:  # noqa: BLE001  # whatever a handler raises ends its attempt only
        return outcome_of(error, claimed)
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001  # SystemExit, and what extensions raise
        return outcome_of(error, claimed)


def perform_function(handler: Handler, claimed: Claimed, link: Link) -> Outcome:
    """Run a `def` handler; every error becomes an outcome, HandlerEnded too."""
    try:
        context = Context(claimed, link, blocking=True)
        payload = _payload(handler, claimed.payload)
        return _succeeded(handler.function(context, payload), context)
    except HandlerEnded:
        return ENDED
    except Exception as error:  # noqa: BLE001  # whatever a handler raises ends its attempt only
        return outcome_of(error, claimed)
    except BaseException as error:  # noqa: BLE001  # SystemExit, and what extensions raise
        return outcome_of(error, claimed)


def outcome_of(error: BaseException, claimed: Claimed) -> Outcome:
    """Return what an exception of a handler means for its attempt."""
    match error:
        case Snooze():
            outcome: Outcome = Snoozed(error.seconds)
        case Hold():
            outcome = Held(error.reason)
        case PauseQueue():
            outcome = QueuePaused(claimed.queue, error.reason, error.seconds)
        case PermanentFailure():
            outcome = Failed(_failure(error), error.outcome, for_good=True)
        case Retry():
            outcome = Failed(_failure(error), retry_seconds=error.seconds, is_outside=True)
        case FileMissing():
            outcome = Failed(_failure(error), for_good=True)
        case PayloadError():
            outcome = Failed(Failure("PayloadError", str(error)), for_good=True)
        case ResultError():
            outcome = Failed(Failure("ResultError", str(error)))
        case _:
            outcome = Failed(_failure(error))
    return outcome


class ResultError(Exception):
    """What the handler returned cannot be stored; the message says why."""


class PayloadError(Exception):
    """The payload does not fit the handler's model; the message says which field and why."""


def _payload(handler: Handler, text: str | None) -> Any:
    if handler.model is None:
        return {} if text is None else decode(text)
    try:
        return handler.model.model_validate_json(text or "{}")
    except ValidationError as error:
        fields = "; ".join(_field_error(dict(item)) for item in error.errors(include_url=False))
        raise PayloadError(f"the payload does not fit: {fields}") from None


def _field_error(item: dict[str, Any]) -> str:
    path = ".".join(str(part) for part in item["loc"]) or "payload"
    return f"{path}: {item['msg']}"


def _succeeded(result: Any, context: Context) -> Succeeded:
    if result is None:
        return Succeeded(None, context.enqueued)
    if isinstance(result, BaseModel):
        result = result.model_dump(mode="json")
    try:
        return Succeeded(encode(result, max_bytes=RESULT_BYTES), context.enqueued)
    except DocumentError as error:
        raise ResultError(f"the result cannot be stored: {error}") from None


def _failure(error: BaseException) -> Failure:
    try:
        message = str(error)
        trace = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001  # the error's own __str__ may fail
        message, trace = "its message cannot be shown", ""
    return Failure(type(error).__name__, storable(message), storable(trace))
