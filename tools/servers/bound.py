"""Child processes that do not outlive the process that started them."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")


def bound(command: Sequence[str], death_signal: signal.Signals = signal.SIGKILL) -> list[str]:
    """Return the command such that it gets `death_signal` when its parent ends, however it ends.

    On Linux the parent is the *thread* that starts the child: start it from one that lives on.
    Elsewhere the command is returned as it is, and only an orderly end takes the child along.
    """
    if sys.platform != "linux":
        return list(command)
    arguments = [str(int(death_signal)), str(os.getpid()), *command]
    return [sys.executable, "-I", "-S", str(LAUNCH), *arguments]
