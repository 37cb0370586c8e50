"""The child process in which `def` handlers run, one job after another."""

import os
import signal
from multiprocessing.connection import Connection

from schema.attempts import Claimed, Outcome
from schema.runtime import logging
from schema.runtime.settings import settings
from worker import handlers
from worker.executors.mortal import die_with_parent
from worker.performing import perform_function


def serve(channel: "Connection[Outcome, Claimed | None]", modules: tuple[str, ...]) -> None:
    """Perform each claimed task that comes through the channel and send its outcome back.

    Ends when the channel closes or None comes. The child leads a process group, so that what
    it starts ends with it.
    """
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    logging.configure(settings())
    registry = handlers.load(modules)
    try:
        while claimed := channel.recv():
            channel.send(perform_function(registry[claimed.task_type], claimed))
    except (EOFError, BrokenPipeError):
        return
