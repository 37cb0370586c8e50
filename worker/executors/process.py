"""Runs `def` handlers in child processes, which are killed at the deadline."""

import contextlib
import os
import queue
import selectors
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, assert_never

from schema.attempts import Hold, Outcome, Progress
from schema.runtime.logging import get_logger
from worker.attempt import ENDED, Attempt, Reason
from worker.executors.children import Child, Nursery, crashed
from worker.executors.executor import END_SECONDS, Keeper, not_run
from worker.executors.messages import (
    Answer,
    Asked,
    Fetch,
    Keep,
    Said,
    Save,
    ToChild,
    Wish,
    portable,
)
from worker.signals import LeaseLost
from worker.threads import Failed, watched

log = get_logger(__name__)

TERM_SHARE = 0.1
"""Share of a lease, up to END_SECONDS, that is left for cleaning up before its end."""


@dataclass(slots=True, eq=False)
class Run:
    """An attempt in the hands of a child. At `term_at` it is told to end, at `kill_at` killed."""

    attempt: Attempt
    child: Child
    term_at: float
    kill_at: float


class ProcessExecutor:
    """Warm children, one for each attempt under way, and one thread that talks to all of them."""

    def __init__(self, keeper: Keeper, nursery: Nursery, failed: Failed) -> None:
        self._keeper = keeper
        self._nursery = nursery
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._idle: list[Child] = []
        self._runs: dict[Attempt, Run] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = os.pipe()
        os.set_blocking(self._wake_out, False)
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        self._thread = watched("children", self._loop, failed)

    def start(self) -> None:
        """Start the fork server, so that the first attempt need not wait for its imports."""
        self._nursery.open()
        self._thread.start()

    def submit(self, attempts: Sequence[Attempt]) -> None:
        """Run attempts, each in a child of its own."""
        self._call(partial(self._start_all, attempts))

    def end(self, attempts: Sequence[Attempt]) -> None:
        """Send SIGTERM to the children of attempts, and SIGKILL when that did not end them."""
        self._call(partial(self._end_all, attempts))

    def close(self, timeout: float) -> None:
        """Kill all children and end the thread."""
        self._call(None)
        self._thread.join(timeout)

    def _call(self, call: Callable[[], None] | None) -> None:
        """Have the thread call something; None ends it."""
        self._calls.put(call)
        with contextlib.suppress(BlockingIOError):  # it is full of calls to wake up
            os.write(self._wake_out, b".")

    def _loop(self) -> None:
        try:
            self._serve()
        finally:
            for child in [*self._idle, *(run.child for run in self._runs.values())]:
                child.kill()
                child.close()
            self._selector.close()

    def _serve(self) -> None:
        open_ = True
        while open_:
            for key, events in self._selector.select(self._until_next_alarm()):
                if key.fileobj == self._wake_in:
                    os.read(self._wake_in, 4096)
                elif events & selectors.EVENT_READ:
                    self._receive(key.data)
                else:
                    self._send_on(key.data)
            open_ = self._make_calls()
            self._ring_alarms()

    def _make_calls(self) -> bool:
        while True:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                return True
            if call is None:
                return False
            call()

    def _until_next_alarm(self) -> float | None:
        alarms = [min(run.term_at, run.kill_at) for run in self._runs.values()]
        return max(min(alarms) - time.monotonic(), 0) if alarms else None

    def _ring_alarms(self) -> None:
        now = time.monotonic()
        for run in list(self._runs.values()):
            if run.kill_at <= now:
                run.attempt.reason = run.attempt.reason or Reason.DEADLINE
                self._bury(run.child)
                self._finish(run, ENDED)
            elif run.term_at <= now:
                self._tell_to_end(run, Reason.DEADLINE, run.kill_at)

    def _start_all(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            lease = attempt.claimed.timeout_seconds
            term_at = attempt.deadline - min(END_SECONDS, TERM_SHARE * lease)
            try:
                child = self._give(attempt)
            except Exception as error:
                log.exception("no child could be had", task_id=attempt.claimed.id)
                self._keeper.ended(attempt, not_run(f"no child process could be had: {error}"))
                self._keeper.freed(attempt)
                continue
            self._runs[attempt] = child.run = Run(attempt, child, term_at, attempt.deadline)

    def _give(self, attempt: Attempt) -> Child:
        while self._idle:
            child = self._idle.pop()
            try:
                self._send(child, attempt.claimed)
            except OSError:  # it died while it was idle
                self._bury(child)
            else:
                return child
        child = self._nursery.bear()
        self._selector.register(child.wire.end, selectors.EVENT_READ, child)
        try:
            self._send(child, attempt.claimed)
        except OSError:
            self._bury(child)
            raise
        return child

    def _send(self, child: Child, message: ToChild) -> None:
        """Send a message; what the child does not take now goes later."""
        self._listen(child, is_out=child.wire.put(message))

    def _send_on(self, child: Child) -> None:
        with contextlib.suppress(OSError):  # it is gone, which reading will tell
            self._listen(child, is_out=child.wire.flush())

    def _listen(self, child: Child, *, is_out: bool) -> None:
        events = selectors.EVENT_READ if is_out else selectors.EVENT_READ | selectors.EVENT_WRITE
        self._selector.modify(child.wire.end, events, child)

    def _end_all(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            run = self._runs.get(attempt)
            if run is not None:
                kill_at = min(run.kill_at, time.monotonic() + END_SECONDS)
                self._tell_to_end(run, Reason.STOPPED, kill_at)

    def _tell_to_end(self, run: Run, reason: Reason, kill_at: float) -> None:
        if run.attempt.reason is None:
            run.attempt.reason = reason
        run.term_at, run.kill_at = float("inf"), kill_at
        run.child.terminate()

    def _receive(self, child: Child) -> None:
        try:
            heard = list(child.wire.take())
        except Exception:  # noqa: BLE001  # it died, or what it said is torn
            run: Run | None = child.run
            self._bury(child)
            if run is not None:
                self._finish(run, crashed(child.exit_code))
            return
        for said in heard:
            self._hear(child, said)

    def _hear(self, child: Child, said: Said) -> None:
        run: Run | None = child.run
        if run is None or run.attempt.hold != said.hold:
            if isinstance(said.what, Asked):
                self._answer(child, Answer(said.what.number, error=LeaseLost()))
            return
        match said.what:
            case Asked(number, wish):
                coming = self._pass_on(said.hold, wish)
                coming.add_done_callback(partial(self._answer_later, child, number))
            case Progress():
                run.attempt.progress = said.what
            case outcome:
                self._recycle(child, used_up=run.attempt.reason is not None)
                self._finish(run, outcome)

    def _pass_on(self, hold: Hold, wish: Wish) -> "Future[Any]":
        match wish:
            case Save(checkpoint):
                return self._keeper.save(hold, checkpoint)
            case Fetch(file_id):
                return self._keeper.fetch(hold, file_id)
            case Keep(content):
                return self._keeper.keep(hold, content)
            case _:
                assert_never(wish)

    def _answer_later(self, child: Child, number: int, come: "Future[Any]") -> None:
        error = portable(come.exception())
        answer = Answer(number, None if error else come.result(), error)
        self._call(partial(self._answer, child, answer))

    def _answer(self, child: Child, answer: Answer) -> None:
        """Answer a child that waits; one that is gone needs none."""
        with contextlib.suppress(OSError, KeyError, ValueError):
            self._send(child, answer)

    def _recycle(self, child: Child, *, used_up: bool) -> None:
        """Keep a child for the next attempt, unless it was told to end or has served enough."""
        child.run = None
        child.served += 1
        if used_up or self._nursery.is_spent(child):
            self._bury(child)
        else:
            self._idle.append(child)

    def _finish(self, run: Run, said: Outcome) -> None:
        del self._runs[run.attempt]
        run.child.run = None
        self._keeper.ended(run.attempt, said)
        self._keeper.freed(run.attempt)

    def _bury(self, child: Child) -> None:
        if child in self._idle:
            self._idle.remove(child)
        self._selector.unregister(child.wire.end)
        child.kill()
        child.close()
