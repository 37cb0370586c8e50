"""The output of several processes on one terminal, each line with the name of its process."""

import itertools
import os
import sys
from collections.abc import Iterable

COLOURS = (36, 33, 32, 35, 34, 31)
CHUNK_BYTES = 65536


class Console:
    """Writes lines to standard output, coloured by name on a terminal."""

    def __init__(self) -> None:
        self._width = 0
        self._colours: dict[str, int] = {}
        self._coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def know(self, names: Iterable[str]) -> None:
        """Line up what these will say and give each a colour."""
        self._colours = dict(zip(names, itertools.cycle(COLOURS), strict=False))
        self._width = max(map(len, self._colours), default=0)

    def say(self, name: str, text: str) -> None:
        """Print one line of a process."""
        prefix = f"{name:<{self._width}} |"
        if self._coloured:
            prefix = f"\x1b[{self._colours.get(name, 0)}m{prefix}\x1b[0m"
        self.tell(f"{prefix} {text}")

    def tell(self, text: str) -> None:
        """Print one line of the supervisor's own."""
        try:
            print(text, flush=True)
        except OSError:
            # The terminal or the next program in a pipe is gone. Processes must still be ended.
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115


class Lines:
    """The lines that come out of a pipe; `collect` is called whenever it can be read.

    last: the last one that came.
    """

    def __init__(self, console: Console, name: str, pipe: int) -> None:
        self._console = console
        self._name = name
        self._pipe = pipe
        self._rest = b""
        self.last = ""
        os.set_blocking(pipe, False)

    def collect(self) -> bool:
        """Print the lines that are complete; return False when nothing could be read."""
        try:
            chunk = os.read(self._pipe, CHUNK_BYTES)
        except BlockingIOError:
            return False
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._say(line)
        return bool(chunk)

    def finish(self) -> None:
        """Print what is left and close the pipe, whoever else may still hold its other end."""
        while self.collect():
            pass
        if self._rest:
            self._say(self._rest)
        os.close(self._pipe)

    def _say(self, line: bytes) -> None:
        self.last = line.decode(errors="replace").rstrip("\r")
        self._console.say(self._name, self.last)
