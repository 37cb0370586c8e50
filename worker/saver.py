"""The saver: writes checkpoints of running handlers, in a thread of its own."""

import queue
import threading
from concurrent.futures import Future

from sqlalchemy import Engine

from schema.attempts import Hold
from schema.holding import save
from schema.runtime.outage import Outage
from schema.runtime.transactions import is_refused, transaction
from worker.signals import LeaseLost
from worker.threads import Failed, watched

Request = tuple[Hold, str, "Future[None]"]

BATCH = 100


class Saver:
    """Saves under the fence; a handler goes on when its checkpoint is committed."""

    def __init__(self, engine: Engine, failed: Failed) -> None:
        self._engine = engine
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._outage = Outage("saving")
        self._thread = watched("saver", self._run, failed)

    def start(self) -> None:
        """Begin to save."""
        self._thread.start()

    def save(self, hold: Hold, checkpoint: str) -> "Future[None]":
        """Hand over a checkpoint; the future fails with LeaseLost or the database's error."""
        future: Future[None] = Future()
        self._requests.put((hold, checkpoint, future))
        return future

    def close(self, timeout: float) -> None:
        """End the thread, in `timeout` seconds if it can; handlers have ended before."""
        self._closing.set()
        self._requests.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            batch = [request]
            while len(batch) < BATCH and (more := self._next()) is not None:
                batch.append(more)
            self._write(batch)

    def _next(self) -> Request | None:
        if self._requests.empty():
            return None
        request = self._requests.get()
        if request is None:
            self._requests.put(None)
        return request

    def _write(self, requests: list[Request]) -> None:
        # A handler that was cancelled while it waited has cancelled its future.
        self._write_claimed(
            [request for request in requests if request[2].set_running_or_notify_cancel()]
        )

    def _write_claimed(self, batch: list[Request]) -> None:
        """Save, again and again while the database fails: a paid step must not be forgotten."""
        while batch and not self._closing.is_set():
            try:
                with transaction(self._engine) as connection:
                    saved = [save(connection, hold, checkpoint) for hold, checkpoint, _ in batch]
            except Exception as error:  # noqa: BLE001  # it is the handler's to deal with
                if is_refused(error):
                    self._write_apart(batch, error)
                    return
                self._closing.wait(self._outage.wait_after(error))
            else:
                self._outage.over()
                _answer(batch, saved)
                return
        for _, _, future in batch:
            future.set_exception(RuntimeError("the worker ends: the checkpoint was not saved"))

    def _write_apart(self, batch: list[Request], error: Exception) -> None:
        """Tell the one whose checkpoint the database refuses, and save the others."""
        if len(batch) == 1:
            batch[0][2].set_exception(error)
            return
        for request in batch:
            self._write_claimed([request])


def _answer(batch: list[Request], saved: list[bool]) -> None:
    for (_, _, future), taken in zip(batch, saved, strict=True):
        if taken:
            future.set_result(None)
        else:
            future.set_exception(LeaseLost())
