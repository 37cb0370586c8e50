"""The child process in which `def` handlers run, one job after another."""

import ctypes
import os
import signal
import sys
from multiprocessing.connection import Connection

from schema.attempts import Claimed, Outcome
from schema.runtime import logging
from schema.runtime.settings import settings
from worker import handlers
from worker.performing import perform_function

PR_SET_PDEATHSIG = 1


def serve(channel: "Connection[Outcome, Claimed | None]", modules: tuple[str, ...]) -> None:
    """Perform each claimed task that comes through the channel and send its outcome back.

    Ends when the channel closes or None comes. The child leads a process group, so that what
    it starts ends with it.
    """
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    logging.configure(settings())
    registry = handlers.load(modules)
    try:
        while claimed := channel.recv():
            channel.send(perform_function(registry[claimed.task_type], claimed))
    except (EOFError, BrokenPipeError):
        return


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent is gone, so that no effect outlives it.

    The parent is the fork server, which ends when the worker does. Only Linux can.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
