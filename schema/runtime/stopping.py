"""How a process is told to stop: SIGTERM or SIGINT, and a second one to hurry."""

import _thread
import signal
import threading
from types import FrameType


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

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        event = self.hurried if self._was_told or self.asked.is_set() else self.asked
        self._was_told = True
        # In another thread: the signal may have interrupted a wait() that holds the event's lock.
        _thread.start_new_thread(event.set, ())
