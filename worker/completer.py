"""The completer: gathers ends of attempts and settles them in batches, in a thread of its own."""

import queue
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from schema import attempts
from schema.attempts import Failure, Settlement, Succeeded
from schema.endings import Backoff
from schema.runtime.logging import get_logger
from schema.runtime.metrics import SETTLE, measured
from schema.runtime.outage import Outage
from schema.runtime.transactions import is_refused, transaction
from schema.settling import settle
from worker.threads import Failed, watched

log = get_logger(__name__)

Settled = Callable[[Sequence[Settlement], Sequence[Settlement]], None]
"""Called after a COMMIT: with what was handed over, and those of it that were refused."""

BATCH_ROWS = 500
BATCH_BYTES = 4 * 1024 * 1024

GATHER_SECONDS = 0.005
"""How long at most an end waits for others."""

PAUSE_SECONDS = 0.001
"""When no end came for so long, no more are waited for."""


class Completer:
    """Settles what executors hand over; keeps what a failing database did not take.

    While one batch is written, the next gathers: under load batches grow by themselves. An idle
    worker settles a millisecond after an end that no other follows.
    """

    def __init__(self, engine: Engine, backoff: Backoff, settled: Settled, failed: Failed) -> None:
        self._engine = engine
        self._backoff = backoff
        self._settled = settled
        self._waiting: queue.SimpleQueue[Settlement | None] = queue.SimpleQueue()
        self._outage = Outage("settling")
        self._abandon = threading.Event()
        self._thread = watched("completer", self._run, failed)

    def start(self) -> None:
        """Begin to settle."""
        self._thread.start()

    def put(self, settlement: Settlement) -> None:
        """Hand over the end of an attempt. Never blocks."""
        self._waiting.put(settlement)

    def backlog(self) -> int:
        """Return about how many ends wait to be written."""
        return self._waiting.qsize()

    def close(self, timeout: float) -> bool:
        """Settle what is left and end the thread; False when `timeout` seconds did not do."""
        self._waiting.put(None)
        self._thread.join(timeout)
        if not self._thread.is_alive():
            return True
        self._abandon.set()
        return False

    def _run(self) -> None:
        while batch := self._gather():
            self._write(batch)

    def _gather(self) -> list[Settlement]:
        """Return the next batch; an empty one means that the completer was closed."""
        first = self._waiting.get()
        deadline = time.monotonic() + GATHER_SECONDS
        batch: list[Settlement] = []
        size = 0
        item: Settlement | None = first
        while item is not None:
            batch.append(item)
            size += _size(item)
            if len(batch) == BATCH_ROWS or size >= BATCH_BYTES:
                return batch
            pause = min(PAUSE_SECONDS, max(deadline - time.monotonic(), 0))
            try:
                item = self._waiting.get(timeout=pause)
            except queue.Empty:
                return batch
        if batch:
            self._waiting.put(None)
        return batch

    def _write(self, batch: list[Settlement]) -> None:
        """Settle one batch, again and again while the database fails: settling is idempotent."""
        while not self._abandon.is_set():
            try:
                with measured(SETTLE), transaction(self._engine) as connection:
                    lost = settle(connection, batch, self._backoff)
            except Exception as error:  # noqa: BLE001  # wait_after raises what waiting cannot mend
                if is_refused(error):
                    self._write_apart(batch, error)
                    return
                self._abandon.wait(self._outage.wait_after(error))
            else:
                self._outage.over()
                self._settled(batch, lost)
                return

    def _write_apart(self, batch: list[Settlement], error: Exception) -> None:
        """Find the end that the database refuses, and let it fail instead of all of them."""
        if len(batch) > 1:
            for item in batch:
                self._write([item])
            return
        (item,) = batch
        log.error("an end cannot be written", task_id=item.task_id, error=str(error)[:500])
        message = f"the end of the attempt could not be written: {error}"
        self._write([item._replace(outcome=attempts.Failed(Failure("SettleError", message)))])


def _size(item: Settlement) -> int:
    outcome = item.outcome
    return len(outcome.result or "") if isinstance(outcome, Succeeded) else 0
