"""What all programs of peers stand on. The standard library only: peers' environments have no more.

A worker carries tasks out. A client does what the lines on its standard input ask for, and answers
each with a line of JSON.
"""

import asyncio
import inspect
import json
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

STORE_URL = os.environ.get("BENCH_STORE_URL", "")
VARIANT = os.environ.get("BENCH_VARIANT", "")
BATCH = 1_000

_RECORD = struct.Struct("<qq")
_JOURNAL = os.environ.get("BENCH_JOURNAL")
_file = os.open(_JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if _JOURNAL else -1


def note(number: int) -> None:
    """Note that a task is carried out: its number, and now, on the clock of all processes."""
    os.write(_file, _RECORD.pack(number, time.monotonic_ns()))


def nothing() -> None:
    """Do nothing: for peers without tables."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What a peer does; any of it may be a coroutine function.

    one creates the task of a number; many creates those of several numbers in as few round trips as
    the peer can; worker carries tasks out until it is ended; set_up makes the place where tasks are
    kept; begin connects.
    """

    one: Callable[[int], Any]
    many: Callable[[Sequence[int]], Any]
    worker: Callable[[], Any]
    set_up: Callable[[], Any] = nothing
    begin: Callable[[], Any] = nothing


def run(peer: Peer, role: str) -> None:
    """Be the worker or the client."""
    if role == "worker":
        result = peer.worker()
        if inspect.iscoroutine(result):
            asyncio.run(result)
    else:
        asyncio.run(_serve(peer))


def become(*words: str) -> None:
    """Become a program of this environment, such as the peer's own command."""
    path = os.path.join(os.path.dirname(sys.executable), words[0])  # noqa: PTH118, PTH120
    os.execv(path, [path, *words[1:]])


async def _serve(peer: Peer) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a peer prints must not get between the answers
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await _carried_out(peer, json.loads(line))), file=answers, flush=True)


async def _carried_out(peer: Peer, ask: dict[str, Any]) -> Any:
    match ask["verb"]:
        case "open":
            await _call(peer.set_up)
            return await _call(peer.begin)
        case "pace":
            return await _pace(peer, ask)
        case verb:
            return await _create(peer, ask, 1 if verb == "one" else BATCH)


async def _create(peer: Peer, ask: dict[str, Any], size: int) -> dict[str, float]:
    """Create tasks in pages, until there are enough or the time is over."""
    made, begun = 0, time.monotonic()
    for page in _pages(ask["first"], ask["count"], size):
        await (_call(peer.one, page[0]) if size == 1 else _call(peer.many, page))
        made += len(page)
        if time.monotonic() - begun > ask["seconds"]:
            break
    return {"made": made, "seconds": time.monotonic() - begun}


async def _pace(peer: Peer, ask: dict[str, Any]) -> list[int]:
    """Create tasks with pauses between them; return when each creation began."""
    moments = []
    for number in range(ask["first"], ask["first"] + ask["count"]):
        await asyncio.sleep(ask["seconds"])
        moments.append(time.monotonic_ns())
        await _call(peer.one, number)
    return moments


def _pages(first: int, count: int, size: int) -> Iterator[range]:
    for start in range(first, first + count, size):
        yield range(start, min(start + size, first + count))


async def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result
