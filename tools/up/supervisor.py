"""Run the Procfile: its release line to the end, then all others until told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import Mapping

from tools.up.console import Console
from tools.up.process import REFUSED, Process

RELEASE = "release"
END_SECONDS = 30.0
UP_SECONDS = 1.0
ASK_SECONDS = 0.1
ANSWER_SECONDS = 5.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Keeps the Procfile's processes alive. To be made and run within one event loop.

    hurried: whether a second signal asked to kill everything at once.
    """

    def __init__(
        self, commands: Mapping[str, str], scale: Mapping[str, int], environment: Mapping[str, str]
    ) -> None:
        self._environment = environment
        self._commands = commands
        self._names = [
            (name, f"{name}.{number}")
            for name in commands
            for number in range(1, scale.get(name, 1) + 1)
        ]
        self._console = Console()
        self._console.know(numbered for _, numbered in self._names)
        self._processes: list[Process] = []
        self._stop = asyncio.Event()
        self._refusal: str | None = None
        self.hurried = False

    async def run(self) -> int:
        """Return 0 after a signal, the release line's exit code when that failed, or REFUSED.

        That is when a process cannot run as it is set up.
        """
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._interrupt)
        code = await self._release()
        if code != 0 or self._stop.is_set():
            return 0 if self._stop.is_set() else code
        self._processes = self._make(without=RELEASE)
        async with asyncio.TaskGroup() as tasks:
            keepers = [tasks.create_task(self._keep(process)) for process in self._processes]
            announcer = tasks.create_task(self._announce())
            await self._stop.wait()
            announcer.cancel()
            await self._end(keepers)
        if self._refusal is None:
            return 0
        self._console.tell(self._refusal)
        return REFUSED

    async def _keep(self, process: Process) -> None:
        words = await process.keep()
        if words is not None and self._refusal is None:
            self._refusal = f"{process.name} cannot run as it is set up. It said: {words}"
            self._stop_all()

    def _make(self, *, only: str = "", without: str = "") -> list[Process]:
        return [
            Process(numbered, self._commands[name], self._environment, self._console)
            for name, numbered in self._names
            if name != without and only in ("", name)
        ]

    async def _release(self) -> int:
        self._processes = self._make(only=RELEASE)
        for process in self._processes:
            code = await process.run()
            if code != 0 and not self._stop.is_set():
                self._console.tell(
                    f"The release line failed with code {code}, so nothing was started."
                )
                return code if code > 0 else 128 - code
        return 0

    def _interrupt(self) -> None:
        self.hurried = self._stop.is_set()
        self._stop_all()

    def _stop_all(self) -> None:
        self._stop.set()
        for process in self._processes:
            process.kill() if self.hurried else process.end()

    async def _end(self, keepers: list[asyncio.Task[None]]) -> None:
        self._console.tell("Ending all processes; Ctrl-C again kills them.")
        if not keepers:
            return
        _, late = await asyncio.wait(keepers, timeout=END_SECONDS)
        if late:
            self._console.tell(f"Killing what has not ended in {END_SECONDS:.0f} seconds.")
            for process in self._processes:
                process.kill()

    async def _announce(self) -> None:
        """Say where the system is as soon as it answers and every process has stayed up."""
        while not await self._is_up():  # noqa: ASYNC110 - only asking tells
            await asyncio.sleep(ASK_SECONDS)
        where = f": http://{self._host()}:{self._environment['PORT']}" if self._has_web() else ""
        self._console.tell(f"Rowlease is up{where} (Ctrl-C ends it)")

    async def _is_up(self) -> bool:
        if any(process.up_seconds < UP_SECONDS for process in self._processes):
            return False
        return not self._has_web() or await self._is_live()

    def _has_web(self) -> bool:
        return "web" in self._commands

    def _host(self) -> str:
        host = self._environment.get("HOST", "")
        return "127.0.0.1" if host in ("", "0.0.0.0", "::") else host

    async def _is_live(self) -> bool:
        """Ask GET /livez and say whether the answer is 200."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._ask()
        return False

    async def _ask(self) -> bool:
        port = int(self._environment["PORT"])
        reader, writer = await asyncio.open_connection(self._host(), port)
        try:
            writer.write(b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n")
            status = await reader.readline()
            return status.split()[1:2] == [b"200"]
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
