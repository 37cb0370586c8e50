"""Handlers that the tests of the worker run, in its event loop and in its children."""

import asyncio
import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from worker import Context, PermanentFailure, Snooze, handler

HUGE = 2 * 1024 * 1024


class Size(BaseModel):
    """A payload with rules."""

    width: int = Field(ge=1)
    name: str = "unnamed"


def leave_mark(payload: dict[str, Any], text: str) -> None:
    """Append a line to the file that the payload names."""
    with Path(payload["marks"]).open("a") as marks:
        marks.write(f"{text}\n")


@handler("async.context")
async def async_context(context: Context, payload: dict[str, Any]) -> dict[str, Any]:
    return describe(context, payload)


@handler("def.context")
def def_context(context: Context, payload: dict[str, Any]) -> dict[str, Any]:
    return describe(context, payload)


def describe(context: Context, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "payload": payload,
        "pid": os.getpid(),
        "task_id": context.task_id,
        "title": context.title,
        "task_type": context.task_type,
        "queue": context.queue,
        "tags": context.tags,
        "account_id": context.account_id,
        "attempt": context.attempt,
        "fence": context.fence,
        "deadline": context.deadline,
    }


@handler("async.model")
async def async_model(context: Context, payload: Size) -> Size:  # noqa: ARG001
    return payload


@handler("def.model")
def def_model(context: Context, payload: Size) -> Size:  # noqa: ARG001
    return payload


@handler("async.raise")
async def async_raise(context: Context, payload: dict[str, Any]) -> Any:  # noqa: ARG001
    return misbehave(payload["how"])


@handler("def.raise")
def def_raise(context: Context, payload: dict[str, Any]) -> Any:  # noqa: ARG001
    return misbehave(payload["how"])


def misbehave(how: str) -> Any:  # a catalogue
    match how:
        case "error":
            raise ValueError("boom")
        case "permanent":
            raise PermanentFailure("never again")
        case "snooze":
            raise Snooze(60)
        case "surrogate":
            raise ValueError("\ud800")
        case "exit":
            raise SystemExit(3)
        case "timeout":
            raise TimeoutError("the handler's own")
        case "object":
            return object()
        case "huge":
            return "x" * HUGE
        case "nan":
            return float("nan")
        case _:
            raise AssertionError(how)


@handler("async.sleep")
async def async_sleep(context: Context, payload: dict[str, Any]) -> str:
    leave_mark(payload, f"begin {context.attempt}")
    await asyncio.sleep(payload["seconds"])
    leave_mark(payload, f"end {context.attempt}")
    return "slept"


@handler("def.sleep")
def def_sleep(context: Context, payload: dict[str, Any]) -> str:
    leave_mark(payload, f"begin {context.attempt}")
    time.sleep(payload["seconds"])
    leave_mark(payload, f"end {context.attempt}")
    return "slept"


@handler("def.die")
def die(context: Context, payload: dict[str, Any]) -> None:  # noqa: ARG001
    match payload["how"]:
        case "exit":
            os._exit(3)
        case "segfault":
            ctypes.string_at(0)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)


@handler("noop")
async def noop(context: Context, payload: dict[str, Any]) -> None:
    pass
