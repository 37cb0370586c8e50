"""One line of the Procfile as a process that is started again when it dies."""

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import Mapping

from tools.servers.bound import bound
from tools.up.console import Console, Lines

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
SETTLED_SECONDS = 10.0

REFUSED = 2
"""The exit code of a process that cannot run as it is set up: trying again would not help."""

# What only a shell that stays can do: several commands, or variables set before one.
_NEEDS_SHELL = re.compile(r"[;&|()`]|^\w+=")


class Process:
    """A command in a process group of its own, so that Ctrl-C reaches only the supervisor.

    A single command takes the place of the shell that reads its line, and so gets the signals
    itself. What a longer line has started ends together with its shell.
    """

    def __init__(
        self, name: str, command: str, environment: Mapping[str, str], console: Console
    ) -> None:
        self.name = name
        self._command = command if _NEEDS_SHELL.search(command) else f"exec {command}"
        self._environment = environment
        self._console = console
        self._ending = asyncio.Event()
        self._child: asyncio.subprocess.Process | None = None
        self._started_at = 0.0
        self._last_line = ""

    @property
    def up_seconds(self) -> float:
        """How long the process has been running; 0 when it is not."""
        return time.monotonic() - self._started_at if self._child else 0.0

    async def keep(self) -> str | None:
        """Run the command, and again after a growing delay whenever it ends, until `end`.

        Return the last line that it said when it refused to run; None after `end`.
        """
        delay = FIRST_DELAY_SECONDS
        while not self._ending.is_set():
            started = time.monotonic()
            code = await self.run()
            if self._ending.is_set():
                return None
            if code == REFUSED:
                return self._last_line
            if time.monotonic() - started >= SETTLED_SECONDS:
                delay = FIRST_DELAY_SECONDS
            self._console.say(self.name, f"{_ending_words(code)}; starts again in {delay:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), delay)
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)
        return None

    async def run(self) -> int:
        """Run the command once; return its exit code, negative for a signal."""
        output, end = os.pipe()
        lines = Lines(self._console, self.name, output)
        try:
            child = await self._start(end)
        finally:
            os.close(end)
        loop = asyncio.get_running_loop()
        loop.add_reader(output, self._collect, lines, output)
        try:
            return await child.wait()
        finally:
            self._child = None
            _end_group(child.pid)
            loop.remove_reader(output)
            lines.finish()
            self._last_line = lines.last

    def end(self) -> None:
        """Ask the process to end (SIGTERM) and do not start it again."""
        self._ending.set()
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once (SIGKILL)."""
        self._ending.set()
        self._send(signal.SIGKILL)

    async def _start(self, output: int) -> asyncio.subprocess.Process:
        self._child = await asyncio.create_subprocess_exec(
            *bound(["/bin/sh", "-c", self._command], signal.SIGTERM),
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._started_at = time.monotonic()
        if self._ending.is_set():  # said while there was nothing to send it to
            self._send(signal.SIGTERM)
        return self._child

    def _collect(self, lines: Lines, output: int) -> None:
        if not lines.collect():
            asyncio.get_running_loop().remove_reader(output)

    def _send(self, number: signal.Signals) -> None:
        # Not to the group: a worker ends its children itself, after they had time to finish.
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)


def _end_group(leader: int) -> None:
    """End what the process has left behind in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _ending_words(code: int) -> str:
    return f"ended with code {code}" if code >= 0 else f"ended by {signal.Signals(-code).name}"
