"""The saver: writes checkpoints of running handlers, in a thread of its own."""

import queue
from concurrent.futures import Future

from sqlalchemy import Connection, Engine

from schema.attempts import Hold
from schema.holding import save
from schema.runtime.transactions import CommitUnknownError, run
from worker.signals import LeaseLost
from worker.threads import Failed, watched

Request = tuple[Hold, str, "Future[None]"]

BATCH = 100


class Saver:
    """Saves under the fence; a handler goes on when its checkpoint is committed."""

    def __init__(self, engine: Engine, failed: Failed) -> None:
        self._engine = engine
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._thread = watched("saver", self._run, failed)

    def start(self) -> None:
        """Begin to save."""
        self._thread.start()

    def save(self, hold: Hold, checkpoint: str) -> "Future[None]":
        """Hand over a checkpoint; the future fails with LeaseLost or the database's error."""
        future: Future[None] = Future()
        self._requests.put((hold, checkpoint, future))
        return future

    def close(self) -> None:
        """End the thread; handlers have ended before."""
        self._requests.put(None)
        self._thread.join()

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
        batch = [request for request in requests if request[2].set_running_or_notify_cancel()]

        def work(connection: Connection) -> list[bool]:
            return [save(connection, hold, checkpoint) for hold, checkpoint, _ in batch]

        try:
            try:
                saved = run(self._engine, work)
            except CommitUnknownError:
                saved = run(self._engine, work)  # saving once more changes nothing
        except Exception as error:  # noqa: BLE001  # it is the handlers' to deal with
            for _, _, future in batch:
                future.set_exception(error)
            return
        for (_, _, future), taken in zip(batch, saved, strict=True):
            if taken:
                future.set_result(None)
            else:
                future.set_exception(LeaseLost())
