"""The child process in which `def` handlers run, one attempt after another."""

import os
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from schema.attempts import Claimed, Hold, Outcome, Progress
from schema.runtime import logging
from schema.runtime.settings import settings
from worker import handlers
from worker.attempt import ENDED
from worker.executors.messages import Answer, Asked, Fetch, Keep, Said, Save, Wish
from worker.executors.mortal import die_with_parent
from worker.executors.wire import Wire
from worker.link import Content
from worker.performing import perform_function
from worker.signals import HandlerEnded, LeaseLost


class Line:
    """The child's line to the worker, and the attempt that it is about.

    A thread that a handler left behind has the link of an attempt that is over: it is not heard.
    """

    def __init__(self, wire: Wire, notice: "Connection[bytes, bytes]") -> None:
        self._wire = wire
        self._notice = notice
        self._sending = threading.Lock()
        self._asking = threading.Lock()
        self._asked = 0
        self._is_busy = False
        self._is_running = False
        self.hold: Hold | None = None
        self.cancelled = False

    def perform(self, handler: handlers.Handler, claimed: Claimed) -> None:
        """Run a handler and send its outcome."""
        hold = (claimed.id, claimed.fence)
        self.hold = hold
        outcome = self._outcome(handler, claimed, AttemptLink(self, hold))
        with self._asking:  # what another thread asks for is answered first
            self.hold = None
        with self._sending:
            self._wire.send(Said(hold, outcome))

    def report(self, hold: Hold, progress: Progress) -> None:
        """Send progress."""
        self._send(Said(hold, progress))

    def ask(self, hold: Hold, wish: Wish) -> "Future[Any]":
        """Ask the worker for something and wait for its answer."""
        future: Future[Any] = Future()
        with self._asking:
            self._asked += 1
            self._send(Said(hold, Asked(self._asked, wish)))
            has_ended = self.hold != hold
            answer = Answer(0, error=LeaseLost()) if has_ended else self._answer(self._asked)
        if answer.error is None:
            future.set_result(answer.value)
        else:
            future.set_exception(answer.error)
        return future

    def receive(self) -> Any:
        """Wait for what the worker says while nothing runs."""
        return self._wire.receive()

    def end(self, _number: int, _frame: FrameType | None) -> None:
        """On SIGTERM: raise HandlerEnded in the handler, once.

        A signal that the worker did not announce is the platform's, which stops the worker: it
        decides what becomes of its children.
        """
        if not self._is_busy:
            self._end_if_told()

    def _outcome(self, handler: handlers.Handler, claimed: Claimed, link: "AttemptLink") -> Outcome:
        try:
            self._is_running = True
            outcome = perform_function(handler, claimed, link)
            self._is_running = False
        except HandlerEnded:  # it came just before or just after
            self._is_running = False
            return ENDED
        return outcome

    def _send(self, said: Said) -> None:
        """Send a message whole, unless its attempt is over."""
        with self._sending, self._whole():
            if said.hold == self.hold:
                self._wire.send(said)

    def _answer(self, number: int) -> Answer:
        """Wait for an answer; HandlerEnded may come while nothing is there yet."""
        while True:
            self._wire.wait()
            with self._whole():
                answer = self._wire.receive()
            if isinstance(answer, Answer) and answer.number == number:
                return answer

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Let HandlerEnded wait until a message is through."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False
        self._end_if_told()

    def _end_if_told(self) -> None:
        if self._is_running and not self.cancelled and self._notice.poll():
            self.cancelled = True
            raise HandlerEnded


@dataclass(frozen=True, slots=True)
class AttemptLink:
    """Reaches the worker for one attempt."""

    line: Line
    hold: Hold

    @property
    def cancelled(self) -> bool:
        """Whether the handler was told to end, or has ended."""
        return self.line.cancelled or self.line.hold != self.hold

    def report(self, progress: Progress) -> None:
        """Send progress."""
        self.line.report(self.hold, progress)

    def save(self, checkpoint: str) -> "Future[None]":
        """Save JSON text for the next attempt."""
        return self.line.ask(self.hold, Save(checkpoint))

    def fetch(self, file_id: int) -> "Future[Path]":
        """Have a file laid ready."""
        return self.line.ask(self.hold, Fetch(file_id))

    def keep(self, content: Content) -> "Future[int]":
        """Have a file stored."""
        return self.line.ask(self.hold, Keep(content))


def serve(
    end: socket.socket,
    notice: "Connection[bytes, bytes]",
    modules: tuple[str, ...],
    memory_bytes: int | None,
) -> None:
    """Perform each claimed task that comes over the wire and send its outcome back.

    Ends when the other end is gone. The child leads a process group, so that what it starts
    ends with it. `memory_bytes` limits its address space.
    """
    end.settimeout(None)  # whatever a module of handlers made the default
    os.setpgid(0, 0)
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = Line(Wire(end), notice)
    signal.signal(signal.SIGTERM, line.end)
    if memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    logging.configure(settings())
    registry = handlers.load(modules)
    while True:
        try:
            claimed = line.receive()
            if isinstance(claimed, Claimed):
                line.perform(registry[claimed.task_type], claimed)
        except (EOFError, ConnectionError):
            return
