"""The child process in which `def` handlers run, one attempt after another."""

import os
import resource
import signal
import threading
from concurrent.futures import Future
from multiprocessing.connection import Connection
from types import FrameType

from schema.attempts import Claimed, Progress
from schema.runtime import logging
from schema.runtime.settings import settings
from worker import handlers
from worker.executors.messages import FromChild, Save, Saved, ToChild
from worker.executors.mortal import die_with_parent
from worker.performing import perform_function
from worker.signals import HandlerEnded, LeaseLost


class ChildLink:
    """Reaches the worker through the pipe."""

    def __init__(
        self, channel: "Connection[FromChild, ToChild]", notice: "Connection[bytes, bytes]"
    ) -> None:
        self._channel = channel
        self._notice = notice
        self._sending = threading.Lock()
        self._is_sending = False
        self.running = False
        self.cancelled = False

    def report(self, progress: Progress) -> None:
        """Send progress."""
        self.send(progress)

    def send(self, message: FromChild) -> None:
        """Send a message whole: HandlerEnded waits until it is through."""
        main = threading.current_thread() is threading.main_thread()
        with self._sending:
            self._is_sending = main
            self._channel.send(message)
            self._is_sending = False
        if main and self.running and self._was_told() and not self.cancelled:
            self.cancelled = True
            raise HandlerEnded

    def save(self, checkpoint: str) -> "Future[None]":
        """Send a checkpoint and wait until it is committed."""
        self.send(Save(checkpoint))
        answer = self._channel.recv()
        future: Future[None] = Future()
        match answer:
            case Saved(is_lost=True):
                future.set_exception(LeaseLost())
            case Saved(error=str(message)):
                future.set_exception(RuntimeError(message))
            case _:
                future.set_result(None)
        return future

    def end(self, _number: int, _frame: FrameType | None) -> None:
        """On SIGTERM: raise HandlerEnded in the handler, once.

        A signal that the worker did not announce is the platform's, which stops the worker: it
        decides what becomes of its children.
        """
        if self._is_sending or not self.running or self.cancelled or not self._was_told():
            return
        self.cancelled = True
        raise HandlerEnded

    def _was_told(self) -> bool:
        return self._notice.poll()


def serve(
    channel: "Connection[FromChild, ToChild]",
    notice: "Connection[bytes, bytes]",
    modules: tuple[str, ...],
    memory_bytes: int | None,
) -> None:
    """Perform each claimed task that comes through the channel and send its outcome back.

    Ends when the channel closes. The child leads a process group, so that what it starts ends
    with it. `memory_bytes` limits its address space.
    """
    os.setpgid(0, 0)
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = ChildLink(channel, notice)
    signal.signal(signal.SIGTERM, link.end)
    if memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    logging.configure(settings())
    registry = handlers.load(modules)
    while True:
        try:
            claimed = channel.recv()
        except EOFError:
            return
        if isinstance(claimed, Claimed):
            _perform(link, registry[claimed.task_type], claimed)


def _perform(link: ChildLink, handler: handlers.Handler, claimed: Claimed) -> None:
    link.running = True
    outcome = perform_function(handler, claimed, link)
    link.running = False
    link.send(outcome)
