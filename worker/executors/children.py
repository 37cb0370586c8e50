"""Child processes: born of a fork server, ended by signals to their process group."""

import contextlib
import multiprocessing
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import forkserver, util
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from schema.attempts import Failed, Failure, Outcome
from schema.states import AttemptOutcome
from worker.executors.child import serve
from worker.executors.wire import Wire, pair

JOIN_SECONDS = 5.0

_forkserver = multiprocessing.get_context("forkserver")


@dataclass(slots=True, eq=False)
class Child:
    """A child process, and the run that it has in hand."""

    process: ForkServerProcess
    wire: Wire
    notice: "Connection[bytes, bytes]"
    run: Any = None
    served: int = 0

    def terminate(self) -> None:
        """Ask the child, and what it started, to end; announced, so that it knows who asks."""
        with contextlib.suppress(OSError):
            self.notice.send_bytes(b".")
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the child and all that it started."""
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        """Close the wire and wait for the end of the process."""
        self.wire.close()
        self.notice.close()
        self.process.join(JOIN_SECONDS)

    @property
    def exit_code(self) -> int | None:
        """How the process ended: its exit code, or minus the number of a signal."""
        return self.process.exitcode

    def _signal(self, number: signal.Signals) -> None:
        pid = self.process.pid
        if pid is None:
            return
        try:
            os.killpg(pid, number)
        except ProcessLookupError:  # it has not become the leader of its group yet, or is gone
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class Nursery:
    """Where children come from: a fork server that has the handlers imported.

    It is a clean process of its own: forking the worker, with its threads, would not be safe.
    A child serves `most_tasks` tasks; `memory_bytes` limits its address space.
    """

    def __init__(
        self, modules: Sequence[str], *, most_tasks: int, memory_bytes: int | None = None
    ) -> None:
        self._modules = tuple(modules)
        self._most_tasks = most_tasks
        self._memory_bytes = memory_bytes

    def open(self) -> None:
        """Start the fork server; from the main thread, whose death ends it."""
        ours = ["worker.executors.forkserver", "worker.executors.child", "worker.builtin"]
        preload = [*ours, *self._modules]
        _forkserver.set_forkserver_preload(preload)
        forkserver.ensure_running()

    def bear(self) -> Child:
        """Return a new child."""
        ours, theirs = pair()
        hears, says = multiprocessing.Pipe(duplex=False)
        arguments = (theirs, hears, self._modules, self._memory_bytes)
        process = _forkserver.Process(target=serve, args=arguments, daemon=True)
        process.start()
        theirs.close()
        hears.close()
        return Child(process, ours, says)

    def is_spent(self, child: Child) -> bool:
        """Whether a child has served enough."""
        return child.served >= self._most_tasks


def clean_up() -> None:
    """Remove the folder of the fork server's socket, as the interpreter would at its end."""
    shutil.rmtree(util.get_temp_dir(), ignore_errors=True)


def crashed(exit_code: int | None) -> Outcome:
    """Return the outcome of an attempt whose child ended under it."""
    if exit_code is not None and exit_code < 0:
        names = {int(number): number.name for number in signal.Signals}
        how = f"was ended by {names.get(-exit_code, f'signal {-exit_code}')}"
        if -exit_code == signal.SIGKILL:
            how += ", as the kernel does when memory runs out"
    else:
        how = f"ended with exit code {exit_code}"
    return Failed(Failure("Crashed", f"the child process {how}"), AttemptOutcome.CRASHED)
