"""How a process is told to stop, SIGTERM or SIGINT, a second one to hurry; and how it leaves."""

import _thread
import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

LOOK_SECONDS = 1.0


class Stopping:
    """`asked` is set by the first signal, `hurried` by the second."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.hurried = threading.Event()
        self._was_told = False

    def listen(self) -> None:
        """Take over SIGTERM and SIGINT; only the main thread may."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def wait_until_asked(self) -> None:
        """Wait in the main thread, and look up each second.

        A signal that comes in the moment before that thread falls asleep does not wake it, and
        in no other does Python handle signals.
        """
        while not self.asked.wait(LOOK_SECONDS):
            pass

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        event = self.hurried if self._was_told or self.asked.is_set() else self.asked
        self._was_told = True
        # In another thread: the signal may have interrupted a wait() that holds the event's lock.
        _thread.start_new_thread(event.set, ())


def leave(exit_code: int) -> NoReturn:
    """End the process at once, with what it has said so far.

    Not by sys.exit: a thread that is left behind would hold up the interpreter.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # its disk is full
            stream.flush()
    os._exit(exit_code)
