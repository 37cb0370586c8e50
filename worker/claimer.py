"""The claimer: takes tasks for the free slots, in a thread of its own."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from schema import claims, gates
from schema.attempts import Claimed
from schema.claims import ClaimShortError, ScanHints
from schema.gates import Gates
from schema.queue_choice import QueueChoice
from schema.runtime.logging import get_logger
from schema.runtime.metrics import CLAIM, measured
from schema.runtime.outage import Outage
from schema.runtime.transactions import transaction
from worker.backpressure import LOOK_SECONDS, Backpressure
from worker.identity import Identity
from worker.polling import Polling
from worker.running import Running
from worker.slots import Slots
from worker.threads import Failed, watched

log = get_logger(__name__)

SLOT_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims, from which queues, and where claimed tasks are entered."""

    identity: Identity
    queues: QueueChoice
    running: Running
    aging_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed tasks. Their `started_at` lies between two moments on the monotonic clock."""

    worker_id: str
    tasks: Sequence[Claimed]
    asked_at: float
    answered_at: float


Start = Callable[[Batch], None]
"""Begins to run claimed tasks."""


class Claimer:
    """Claims in batches of up to the free slots; polls when there is nothing to take."""

    def __init__(
        self,
        engine: Engine,
        who: Claimant,
        slots: Slots,
        start: Start,
        backpressure: Backpressure,
        failed: Failed,
    ) -> None:
        self._engine = engine
        self._who = who
        self._slots = slots
        self._start = start
        self._backpressure = backpressure
        self._hints = ScanHints(who.aging_seconds)
        self._polling = Polling()
        self._outage = Outage("claiming")
        self._rest_until = 0.0
        self._stopping = threading.Event()
        self._settled = threading.Event()
        self._wants_room = False
        self._saw_stop = False
        self._thread = watched("claimer", self._run, failed)

    def start(self) -> None:
        """Begin to claim."""
        self._thread.start()

    def stop(self) -> None:
        """Claim nothing more, but for a claim that is under way."""
        self._stopping.set()
        self._settled.set()

    def is_working(self) -> bool:
        """Whether claims are made or one is under way; what was claimed has been handed over."""
        return self._thread.is_alive()

    def note_settled(self) -> None:
        """Claim at once if a limited queue has waited for room: what ended may have made some."""
        self._settled.set()

    def rest(self, seconds: float) -> None:
        """Claim nothing for a while."""
        self._rest_until = time.monotonic() + seconds

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._stopping.wait(max(self._rest_until - time.monotonic(), 0)):
                break
            if self._backpressure.is_on():
                self._stopping.wait(LOOK_SECONDS)
                continue
            free = self._slots.wait_for_free(SLOT_WAIT_SECONDS)
            self._settled.clear()
            if free and not self._stopping.is_set():
                seconds = self._claim(free)
                (self._settled if self._wants_room else self._stopping).wait(seconds)

    def _claim(self, free: int) -> float:
        """Claim up to `free` tasks and hand them over; return the seconds to wait then."""
        try:
            with self._who.running.claiming:
                with measured(CLAIM):
                    batch = self._take(free)
                if batch is not None:
                    self._slots.take(len(batch.tasks))
                    self._start(batch)
        except ClaimShortError as error:
            log.warning("claim rolled back", reason=str(error))
            return self._polling.next_wait()
        except Exception as error:  # noqa: BLE001  # wait_after raises what waiting cannot mend
            self._hints.drop()
            return self._outage.wait_after(error)
        self._outage.over()
        if batch is None:
            return self._polling.next_wait()
        self._polling.note_task()
        return 0 if len(batch.tasks) == free else self._polling.next_wait()

    def _take(self, free: int) -> Batch | None:
        """Claim in one transaction. What a lost COMMIT may have claimed is not run."""
        worker_id = self._who.identity.id
        with transaction(self._engine) as connection:
            if not claims.has_claimable(connection, self._hints):
                self._wants_room = False
                return None
            asked_at = time.monotonic()
            entered = gates.enter(connection, self._who.queues.ordered)
            answered_at = time.monotonic()
            self._wants_room = entered.is_full or bool(entered.allowances)
            self._note_dispatcher(entered)
            claimed = claims.claim(
                connection,
                worker_id,
                gates=entered,
                slots=free,
                hints=self._hints,
            )
        return Batch(worker_id, claimed, asked_at, answered_at) if claimed else None

    def _note_dispatcher(self, entered: Gates) -> None:
        """Say so when something waits and the dispatcher is stopped, and when it runs again."""
        if entered.is_stopped and not self._saw_stop:
            log.info("dispatcher is stopped: nothing is claimed")
        elif entered.queues and self._saw_stop:
            log.info("dispatcher runs again")
        else:
            return
        self._saw_stop = entered.is_stopped
