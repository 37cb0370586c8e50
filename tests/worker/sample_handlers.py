"""Handlers that the tests of the worker run, in its event loop and in its children."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from schema.attempts import Failure
from worker import (
    Context,
    HandlerEnded,
    Hold,
    LeaseLost,
    PauseQueue,
    PermanentFailure,
    Snooze,
    handler,
)

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


def model(context: Context, payload: Size) -> Size:  # noqa: ARG001
    return payload


def raise_(context: Context, payload: dict[str, Any]) -> Any:  # noqa: ARG001
    return misbehave(payload["how"])


def sleep(context: Context, payload: dict[str, Any]) -> str:
    leave_mark(payload, f"begin {context.attempt}")
    time.sleep(payload["seconds"])
    leave_mark(payload, f"end {context.attempt}")
    return "slept"


def cleanup(context: Context, payload: dict[str, Any]) -> None:
    leave_mark(payload, f"begin {context.attempt}")
    try:
        while not context.cancelled:
            time.sleep(0.01)
    finally:
        leave_mark(payload, f"cancelled {context.cancelled}")
    raise HandlerEnded


def save(context: Context, payload: dict[str, Any]) -> dict[str, Any]:
    before = context.saved
    context.save(payload["value"])
    return {"before": before}


def once(context: Context, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    calls = 0

    def pay() -> str:
        nonlocal calls
        calls += 1
        return f"receipt {context.attempt}"

    if context.saved is None:
        context.save({"page": 1})
    paid = context.once("pay", pay)
    again = context.once("pay", pay)
    assert paid == again
    return {"calls": calls, "paid": paid, "saved": context.saved}


def enqueue(context: Context, payload: dict[str, Any]) -> None:
    context.enqueue(**payload)


def progress(context: Context, payload: dict[str, Any]) -> None:  # noqa: ARG001
    context.progress(40, "two fifths", stage="RUNNING")


def files(context: Context, payload: dict[str, Any]) -> dict[str, Any]:
    path = context.fetch(payload["fetch"])
    upper = path.read_bytes().upper()
    first = context.keep(upper, name="upper.txt")
    return {"files": [first, context.keep(path, content_type="text/x-mine")]}


def keep(context: Context, payload: dict[str, Any]) -> Any:
    return context.keep(content_of(payload))


def content_of(payload: dict[str, Any]) -> bytes | str:
    """Return what is to be kept: a path, or so many megabytes."""
    path: str | None = payload.get("path")
    return path or b"x" * (1_000_000 * payload.get("megabytes", 0))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "context": describe,
    "model": model,
    "raise": raise_,
    "sleep": sleep,
    "cleanup": cleanup,
    "save": save,
    "once": once,
    "enqueue": enqueue,
    "progress": progress,
    "files": files,
    "keep": keep,
}

for name, function in FUNCTIONS.items():
    handler(f"def.{name}")(function)
    handler(f"thread.{name}", executor="thread")(function)


@handler("async.model")
async def async_model(context: Context, payload: Size) -> Size:  # noqa: ARG001
    return payload


@handler("async.raise")
async def async_raise(context: Context, payload: dict[str, Any]) -> Any:  # noqa: ARG001
    return misbehave(payload["how"])


@handler("async.sleep")
async def async_sleep(context: Context, payload: dict[str, Any]) -> str:
    leave_mark(payload, f"begin {context.attempt}")
    await asyncio.sleep(payload["seconds"])
    leave_mark(payload, f"end {context.attempt}")
    return "slept"


@handler("async.cleanup")
async def async_cleanup(context: Context, payload: dict[str, Any]) -> None:
    leave_mark(payload, f"begin {context.attempt}")
    try:
        await asyncio.sleep(30)
    finally:
        leave_mark(payload, f"cancelled {context.cancelled}")


@handler("async.save")
async def async_save(context: Context, payload: dict[str, Any]) -> dict[str, Any]:
    before = context.saved
    await context.save(payload["value"])
    return {"before": before}


@handler("async.files")
async def async_files(context: Context, payload: dict[str, Any]) -> dict[str, Any]:
    path = await context.fetch(payload["fetch"])
    upper = path.read_bytes().upper()
    first = await context.keep(upper, name="upper.txt")
    return {"files": [first, await context.keep(path, content_type="text/x-mine")]}


@handler("async.keep")
async def async_keep(context: Context, payload: dict[str, Any]) -> Any:
    return await context.keep(content_of(payload))


@handler("async.once")
async def async_once(context: Context, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    calls = 0

    async def pay() -> str:
        nonlocal calls
        calls += 1
        return f"receipt {context.attempt}"

    if context.saved is None:
        await context.save({"page": 1})
    paid = await context.once("pay", pay)
    again = await context.once("pay", pay)
    assert paid == again
    return {"calls": calls, "paid": paid, "saved": context.saved}


@handler("async.enqueue")
async def async_enqueue(context: Context, payload: dict[str, Any]) -> None:
    await context.enqueue(**payload)


@handler("async.progress")
async def async_progress(context: Context, payload: dict[str, Any]) -> None:  # noqa: ARG001
    context.progress(40, "two fifths", stage="RUNNING")


@handler("async.long")
async def async_long(context: Context, payload: dict[str, Any]) -> None:
    context.progress(40, "two fifths", stage="RUNNING")
    await asyncio.sleep(payload["seconds"])


@handler("async.block")
async def async_block(context: Context, payload: dict[str, Any]) -> None:
    leave_mark(payload, f"begin {context.attempt}")
    time.sleep(payload["seconds"])  # noqa: ASYNC251  # the mistake that is tested for


@handler("async.deaf")
async def async_deaf(context: Context, payload: dict[str, Any]) -> None:
    leave_mark(payload, f"begin {context.attempt}")
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(payload["seconds"])


@handler("async.disrupt")
async def async_disrupt(context: Context, payload: dict[str, Any]) -> None:  # noqa: ARG001
    loop = asyncio.get_running_loop()
    match payload["how"]:
        case "stop":
            loop.stop()
        case "cancel":
            for task in asyncio.all_tasks():
                task.cancel()
        case "exit":
            loop.call_soon(sys.exit)
    await asyncio.sleep(0.01)


async def on_retry(context: Context, failure: Failure) -> None:
    _tell("retry", context, failure)


def on_failure(context: Context, failure: Failure) -> None:
    _tell("failure", context, failure)


def _tell(what: str, context: Context, failure: Failure) -> None:
    told = f"{what} of {context.task_id} after {context.attempt}"
    leave_mark({"marks": os.environ["MARKS"]}, f"{told}: {failure.error_class} {failure.message}")


@handler("async.callbacks", on_retry=on_retry, on_failure=on_failure)
async def async_callbacks(context: Context, payload: dict[str, Any]) -> None:  # noqa: ARG001
    raise ValueError("boom")


@handler("def.stubborn")
def stubborn(context: Context, payload: dict[str, Any]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    leave_mark(payload, f"begin {context.attempt}")
    time.sleep(30)


@handler("def.insist")
def insist(context: Context, payload: dict[str, Any]) -> None:
    """Save again when the first save was interrupted."""
    try:
        context.save(1)
    except HandlerEnded:
        context.save(2)
        leave_mark(payload, "saved")
        raise


@handler("def.leave_behind")
def leave_behind(context: Context, payload: dict[str, Any]) -> None:
    """Leave a thread behind, which writes when another attempt runs."""

    def write() -> None:
        while "begin 2" not in Path(payload["marks"]).read_text():
            time.sleep(0.01)
        context.progress(99)
        try:
            context.save("stolen")
        except LeaseLost:
            leave_mark(payload, "lost")
        else:
            leave_mark(payload, "saved")

    threading.Thread(target=write, daemon=True).start()


@handler("def.follow")
def follow(context: Context, payload: dict[str, Any]) -> None:
    """Run while what was left behind writes."""
    context.progress(1)
    leave_mark(payload, "begin 2")
    while "\n" not in Path(payload["marks"]).read_text().removeprefix("begin 2\n"):
        time.sleep(0.01)


@handler("def.freeze")
def freeze(context: Context, payload: dict[str, Any]) -> None:  # noqa: ARG001
    """Freeze in the middle of a message."""
    (end,) = [each for each in _sockets() if each.getpeername() == ""]
    end.sendall(b"\0\0\0\x10half of")
    os.kill(os.getpid(), signal.SIGSTOP)


def _sockets() -> list[socket.socket]:
    """Return the stream sockets of this process."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(socket.socket(fileno=os.dup(int(path.name))))
    return found


@handler("def.hog")
def hog(context: Context, payload: dict[str, Any]) -> int:  # noqa: ARG001
    return len(bytearray(1024 * 1024 * 1024))


def misbehave(how: str) -> Any:  # noqa: C901  # a catalogue
    match how:
        case "error":
            raise ValueError("boom")
        case "permanent":
            raise PermanentFailure("never again")
        case "snooze":
            raise Snooze(60)
        case "hold":
            raise Hold("look at it")
        case "pause":
            raise PauseQueue("full", 60)
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
