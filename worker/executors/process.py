"""Runs `def` handlers in child processes, which are killed at the deadline."""

import multiprocessing
import os
import queue
import selectors
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from schema import attempts
from schema.attempts import Claimed, Failure, Outcome, Released, timed_out
from schema.states import AttemptOutcome
from worker.executors.child import serve
from worker.executors.executor import Done
from worker.performing import Job
from worker.threads import Failed, watched

JOIN_SECONDS = 5.0

_forkserver = multiprocessing.get_context("forkserver")


@dataclass(slots=True, eq=False)
class Child:
    """A child process and the job that it has in hand."""

    process: ForkServerProcess
    channel: "Connection[Claimed | None, Outcome]"
    job: Job | None = None

    def kill(self) -> None:
        """End the child and all that it started."""
        pid = self.process.pid
        try:
            os.killpg(pid or 0, signal.SIGKILL)
        except ProcessLookupError:
            self.process.kill()


class ProcessExecutor:
    """Warm children, started on demand by a fork server that has the handlers imported.

    One thread talks to all of them. The fork server is a clean process of its own: forking the
    worker, with its threads, would not be safe.
    """

    def __init__(self, done: Done, modules: Sequence[str], failed: Failed) -> None:
        self._done = done
        self._modules = tuple(modules)
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._children: list[Child] = []
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = os.pipe()
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        self._releasing = threading.Event()
        self._closing = threading.Event()
        self._thread = watched("children", self._run, failed)

    def start(self) -> None:
        """Start the fork server, so that the first job need not wait for its imports."""
        preload = ["worker.executors.forkserver", "worker.executors.child", *self._modules]
        _forkserver.set_forkserver_preload(preload)
        forkserver.ensure_running()
        self._thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Run jobs, each in a child of its own."""
        for job in jobs:
            self._jobs.put(job)
        self._wake()

    def release_all(self) -> None:
        """Kill the children that run something; each job ends as Released."""
        self._releasing.set()
        self._wake()

    def close(self) -> None:
        """Kill all children and end the thread."""
        self._closing.set()
        self._wake()
        self._thread.join(JOIN_SECONDS)

    def _wake(self) -> None:
        os.write(self._wake_out, b".")

    def _run(self) -> None:
        while not self._closing.is_set():
            for key, _ in self._selector.select(self._until_next_deadline()):
                if key.fileobj == self._wake_in:
                    os.read(self._wake_in, 4096)
                else:
                    self._receive(key.data)
            self._end_overdue()
            if self._releasing.is_set():
                self._release()
            self._start_waiting()
        for child in list(self._children):
            self._end(child)
        self._selector.close()
        os.close(self._wake_in)
        os.close(self._wake_out)

    def _until_next_deadline(self) -> float | None:
        deadlines = [child.job.deadline for child in self._children if child.job]
        return max(min(deadlines) - time.monotonic(), 0) if deadlines else None

    def _receive(self, child: Child) -> None:
        try:
            outcome = child.channel.recv()
        except (EOFError, OSError):
            self._end(child)
            outcome = _crashed(child.process.exitcode)
        self._finish(child, outcome)

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for child in [child for child in self._children if child.job]:
            if child.job and child.job.deadline <= now:
                self._end(child)
                self._finish(child, timed_out(child.job.claimed.timeout_seconds))

    def _release(self) -> None:
        self._releasing.clear()
        while (job := self._next_job()) is not None:
            self._done(job, Released())
        for child in [child for child in self._children if child.job]:
            self._end(child)
            self._finish(child, Released())

    def _start_waiting(self) -> None:
        while (job := self._next_job()) is not None:
            self._give(job)

    def _give(self, job: Job) -> None:
        while True:
            child = self._idle_child()
            try:
                child.channel.send(job.claimed)
            except OSError:  # it died while it was idle
                self._end(child)
            else:
                child.job = job
                return

    def _next_job(self) -> Job | None:
        try:
            return self._jobs.get_nowait()
        except queue.Empty:
            return None

    def _idle_child(self) -> Child:
        for child in self._children:
            if child.job is None:
                return child
        ours, theirs = multiprocessing.Pipe()
        process = _forkserver.Process(target=serve, args=(theirs, self._modules), daemon=True)
        process.start()
        theirs.close()
        child = Child(process, ours)
        self._children.append(child)
        self._selector.register(ours, selectors.EVENT_READ, child)
        return child

    def _finish(self, child: Child, outcome: Outcome) -> None:
        job, child.job = child.job, None
        if job is not None:
            self._done(job, outcome)

    def _end(self, child: Child) -> None:
        self._children.remove(child)
        self._selector.unregister(child.channel)
        child.kill()
        child.channel.close()
        child.process.join(JOIN_SECONDS)


def _crashed(exit_code: int | None) -> Outcome:
    if exit_code is not None and exit_code < 0:
        how = f"was ended by {signal.Signals(-exit_code).name}"
    else:
        how = f"ended with exit code {exit_code}"
    return attempts.Failed(Failure("Crashed", f"the child process {how}"), AttemptOutcome.CRASHED)
