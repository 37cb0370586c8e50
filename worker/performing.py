"""Performing one attempt: payload in, outcome out; the same in every executor."""

import traceback
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from schema.attempts import Claimed, Failed, Failure, Outcome, Snoozed, Succeeded
from schema.documents import RESULT_BYTES, DocumentError, decode, encode
from worker.context import Context
from worker.handlers import Handler
from worker.signals import PermanentFailure, Snooze


@dataclass(frozen=True, slots=True)
class Job:
    """An attempt to be run.

    `started_at` and `deadline` are on this host's monotonic clock: not before the moment that
    `claimed.started_at` is on the database's, so that attempts do not seem to overlap, and not
    after the end of the lease.
    """

    claimed: Claimed
    handler: Handler
    started_at: float
    deadline: float


async def perform_coroutine(handler: Handler, claimed: Claimed) -> Outcome:
    """Run an `async def` handler; every error becomes an outcome but its own cancellation."""
    try:
        payload = _payload(handler, claimed.payload)
        return _succeeded(await handler.function(Context.of(claimed), payload))
    except Exception as error:  # noqa: BLE001  # whatever a handler raises ends its attempt only
        return outcome_of(error)
    except (SystemExit, KeyboardInterrupt) as error:
        return outcome_of(error)


def perform_function(handler: Handler, claimed: Claimed) -> Outcome:
    """Run a `def` handler; every error becomes an outcome."""
    try:
        payload = _payload(handler, claimed.payload)
        return _succeeded(handler.function(Context.of(claimed), payload))
    except Exception as error:  # noqa: BLE001  # whatever a handler raises ends its attempt only
        return outcome_of(error)
    except (SystemExit, KeyboardInterrupt) as error:
        return outcome_of(error)


def outcome_of(error: BaseException) -> Outcome:
    """Return what an exception of a handler means for its attempt."""
    match error:
        case Snooze():
            return Snoozed(error.seconds)
        case PermanentFailure():
            return Failed(_failure(error), for_good=True)
        case PayloadError():
            return Failed(Failure("PayloadError", str(error)), for_good=True)
        case DocumentError():
            return Failed(Failure("ResultError", f"the result cannot be stored: {error}"))
        case _:
            return Failed(_failure(error))


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


def _succeeded(result: Any) -> Succeeded:
    if result is None:
        return Succeeded()
    if isinstance(result, BaseModel):
        result = result.model_dump(mode="json")
    return Succeeded(encode(result, max_bytes=RESULT_BYTES))


def _failure(error: BaseException) -> Failure:
    lines = traceback.format_exception(error)
    return Failure(type(error).__name__, _storable(str(error)), _storable("".join(lines)))


def _storable(text: str) -> str:
    """Return text as the database takes it: handlers may raise lone surrogates."""
    try:
        orjson.dumps(text)
    except TypeError:
        return text.encode("utf-8", "replace").decode()
    return text
