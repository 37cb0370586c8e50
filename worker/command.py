"""The handler of "command": runs one of the commands that COMMANDS_FILE names."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from worker import command_start
from worker.command_file import Command, ParameterError, commands
from worker.context import Context
from worker.handlers import handler
from worker.signals import PermanentFailure

KEPT_BYTES = 64 * 1024
"""Of each output, its end."""

LINE_BYTES = 1_000
"""Longer lines tell no progress."""

TOLD_CHARACTERS = 3_000
"""What of an output the error of a failed attempt tells."""

TERM_SECONDS = 0.6
"""How long a command has after SIGTERM: less than the executor gives the handler."""

KILL_SECONDS = 0.3
"""How long it may take the kernel to end it then."""

REST_SECONDS = 1.0
"""How long the last output is waited for, when the command has ended."""

_PROGRESS = re.compile(rb"progress: *(\d{1,3}(?:\.\d+)?) *%[ \t]*(.*)")
_START = [sys.executable, "-I", "-S", str(Path(command_start.__file__))]

NOT_SET = (
    "this worker may run no command: set COMMANDS_FILE to a TOML file that names those that it may;"
    " docs/commands.md says how"
)


class Order(BaseModel):
    """Payload of "command"."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    parameters: dict[str, Any] = {}


class CommandFailed(Exception):  # noqa: N818  # it is what happened
    """The command ended with another exit code than 0; the message has the end of its output."""


class Output:
    """One output of a command: its end is kept, and lines that tell progress are passed on."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kept = bytearray()
        self._cut = 0
        self._line = bytearray()

    def add(self, chunk: bytes) -> None:
        """Take what the command wrote."""
        self._kept += chunk
        more = len(self._kept) - KEPT_BYTES
        if more > 0:
            del self._kept[:more]
            self._cut += more
        self._look(chunk)

    def __str__(self) -> str:
        """Return what is kept, as text."""
        text = self._kept.decode("utf-8", "replace")
        return f"[{self._cut} bytes before this are cut]\n{text}" if self._cut else text

    def _look(self, chunk: bytes) -> None:
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._tell(bytes(self._line + line))
            self._line.clear()
        self._line += rest[: LINE_BYTES + 1 - len(self._line)]

    def _tell(self, line: bytes) -> None:
        found = _PROGRESS.fullmatch(line.strip()) if len(line) <= LINE_BYTES else None
        if found is not None:
            message = found[2].decode("utf-8", "replace") or None
            self._context.progress(min(float(found[1]), 100), message)


Outputs = tuple[Output, Output]
"""What comes from stdout, and from stderr."""


class Talk(asyncio.SubprocessProtocol):
    """What a command says, and when it is done: it has `exited`, its outputs are `silent`.

    asyncio's own Process waits for both, and so for whoever holds an output open.
    """

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.silent: asyncio.Future[None] = loop.create_future()
        self._open = {1, 2}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take what it wrote to stdout, 1, or stderr, 2."""
        self._outputs[fd - 1].add(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's
        """Take note that nothing more comes."""
        self._open.discard(fd)
        if not self._open and not self.silent.done():
            self.silent.set_result(None)

    def process_exited(self) -> None:
        """Take note that it has ended."""
        if not self.exited.done():
            self.exited.set_result(None)


@handler("command")
async def run(context: Context, payload: Order) -> dict[str, Any]:
    """Run a command to its end; an exit code that is not 0 fails the attempt."""
    command = _command(payload.name)
    try:
        arguments = command.arguments(payload.parameters)
    except ParameterError as error:
        raise PermanentFailure(f"parameters of {payload.name}: {error}") from None
    stdout, stderr = Output(context), Output(context)
    exit_code = await _perform(command, arguments, (stdout, stderr))
    if exit_code != 0:
        raise CommandFailed(_told(payload.name, exit_code, str(stderr).strip() or str(stdout)))
    return {"exit_code": exit_code, "stdout": str(stdout), "stderr": str(stderr)}


def _command(name: str) -> Command:
    allowed = commands()
    if allowed is None:
        raise PermanentFailure(NOT_SET)
    if name not in allowed:
        known = ", ".join(sorted(allowed)) or "none"
        raise PermanentFailure(f"COMMANDS_FILE has no command {name!r}; it has {known}")
    return allowed[name]


async def _perform(command: Command, arguments: list[str], outputs: Outputs) -> int:
    transport, talk = await _start(command, arguments, outputs)
    pid = transport.get_pid()
    try:
        await asyncio.shield(talk.exited)
        _signal(pid, signal.SIGKILL)  # what it left behind
        # Who left its group may hold an output open for ever.
        await asyncio.wait([talk.silent], timeout=REST_SECONDS)
    except asyncio.CancelledError:
        _signal(pid, signal.SIGTERM)
        await asyncio.wait([talk.exited], timeout=TERM_SECONDS)
        _signal(pid, signal.SIGKILL)
        await asyncio.wait([talk.exited], timeout=KILL_SECONDS)
        raise
    finally:
        _signal(pid, signal.SIGKILL)
        transport.close()
    return transport.get_returncode() or 0


async def _start(
    command: Command, arguments: list[str], outputs: Outputs
) -> tuple[asyncio.SubprocessTransport, "Talk"]:
    """Start a command in a session of its own: what it starts ends with it."""
    loop = asyncio.get_running_loop()
    starting = asyncio.ensure_future(
        loop.subprocess_exec(
            lambda: Talk(outputs), *_START, cwd=command.cwd, start_new_session=True
        )
    )
    order = {
        "program": command.program,
        "argv": arguments,
        "env": command.env,
        "memory_bytes": None if command.memory_mb is None else command.memory_mb * 1024 * 1024,
        "parent": os.getpid(),
    }
    try:
        transport, talk = await asyncio.shield(starting)
    except asyncio.CancelledError:
        transport, _ = await starting
        _signal(transport.get_pid(), signal.SIGKILL)
        transport.close()
        raise
    stdin: Any = transport.get_pipe_transport(0)
    stdin.write(json.dumps(order).encode())
    stdin.write_eof()
    return transport, talk


def _signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a command and to all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _told(name: str, exit_code: int, output: str) -> str:
    how = f"exit code {exit_code}"
    if exit_code < 0:
        names = {int(number): number.name for number in signal.Signals}
        how = f"ended by {names.get(-exit_code, f'signal {-exit_code}')}"
    return f"{name}: {how}: {output.strip()[-TOLD_CHARACTERS:]}".rstrip(": ")
