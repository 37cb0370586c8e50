"""The heart: beats for the worker, in a thread of its own and to the very end.

Each beat says that the worker lives, writes the progress of its handlers, and brings back what
was asked for or taken away meanwhile: stops, deletions, lost leases, its own death, and hints
that a remote run has ended.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine

from schema import hints, holding, workers
from schema.attempts import Hold
from schema.runtime.logging import get_logger
from schema.runtime.outage import Outage
from schema.runtime.transactions import run, transaction
from schema.workers import WorkerDescription
from worker.attempt import Attempt, Reason
from worker.identity import Identity, new_id
from worker.pulse import Pulse, no_pulse
from worker.reporting import Reporter
from worker.running import Running
from worker.runninghub import hints as run_hints
from worker.threads import Failed, watched
from worker.vigil import Vigil

log = get_logger(__name__)

BEAT_SECONDS = 1.0
COMPARE_SECONDS = 30.0
"""How often the register is compared with what the database says this worker holds."""

CLAIM_SECONDS = 0.5
"""How long a beat waits for a claim under way, which may itself wait for a dead connection."""

End = Callable[[Sequence[Attempt], Reason], None]
"""Tells handlers to end, for a reason."""

Move = Callable[..., None]
"""What a worker has to say of itself."""

Release = Callable[[Sequence[Hold]], None]
"""Gives back leases that nobody here knows: of claims whose COMMIT was not answered."""


@dataclass(frozen=True, slots=True)
class Reflexes:
    """What a beat has the worker do."""

    end: End
    release: Release
    vigil: Vigil
    pulse: Pulse = no_pulse


class Heart:
    """Beats once a second. An outage of the database kills nobody: it beats on."""

    def __init__(
        self,
        engine: Engine,
        identity: Identity,
        running: Running,
        reflexes: Reflexes,
        failed: Failed,
    ) -> None:
        self._engine = engine
        self._identity = identity
        self._running = running
        self._reflexes = reflexes
        self._reporter = Reporter(engine)
        self._outage = Outage("beating")
        self._compare_at = 0.0
        self._moves: queue.SimpleQueue[Move] = queue.SimpleQueue()
        self._thread = watched("heart", self._run, failed)

    def start(self, description: WorkerDescription, give_up: threading.Event) -> None:
        """Register the worker, however long that takes unless `give_up` is set; begin to beat."""
        self._description = description
        while not give_up.is_set():
            self._reflexes.pulse()
            try:
                self._register()
            except Exception as error:  # noqa: BLE001  # wait_after raises what waiting cannot mend
                give_up.wait(self._outage.wait_after(error))
            else:
                self._outage.over()
                break
        self._thread.start()

    def drain(self) -> None:
        """Say that the worker claims nothing more; it beats on."""
        self._moves.put(workers.drain)

    def stop(self, timeout: float) -> bool:
        """Beat no more; say that the worker has left. Whether `timeout` seconds did for that."""
        self._moves.put(workers.leave)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _say(self, move: Move) -> None:
        try:
            run(self._engine, partial(move, worker_id=self._identity.id))
        except Exception as error:  # noqa: BLE001  # the reaper will find out
            words = str(getattr(error, "orig", None) or error)[:300]
            log.warning("the database was not told", move=move.__name__, error=words)

    def _run(self) -> None:
        move: Move | None = None
        wait = BEAT_SECONDS
        while move is not workers.leave:
            try:
                move = self._moves.get(timeout=wait)
            except queue.Empty:
                wait = self._try_to_beat()
            else:
                self._say(move)

    def _try_to_beat(self) -> float:
        """Beat and return the seconds to the next beat, or to the next try."""
        self._reflexes.pulse()
        try:
            self._beat()
        except Exception as error:  # noqa: BLE001  # wait_after raises what waiting cannot mend
            self._compare_at = 0.0
            return self._outage.wait_after(error)
        self._outage.over()
        return BEAT_SECONDS

    def _register(self) -> None:
        with transaction(self._engine) as connection:
            workers.register(connection, self._identity.id, self._description)

    def _beat(self) -> None:
        attempts = self._running.attempts()
        with transaction(self._engine) as connection:
            lives = workers.beat(connection, self._identity.id)
        if not lives:
            self._rise_again()
            return
        with self._engine.connect() as connection:
            lost, stopping = holding.check(connection, [attempt.hold for attempt in attempts])
            if run_hints.are_awaited():
                run_hints.tell(hints.noted(connection))
        still = {attempt.hold for attempt in self._running.attempts()}
        self._end(attempts, lost & still, Reason.LOST)
        self._end(attempts, stopping, Reason.STOPPED)
        self._reflexes.vigil.look(self._running.attempts(), time.monotonic())
        self._reporter.report(attempts)
        if time.monotonic() >= self._compare_at:
            self._compare()

    def _end(self, attempts: Sequence[Attempt], holds: set[Hold], reason: Reason) -> None:
        told = [attempt for attempt in attempts if attempt.hold in holds and attempt.reason is None]
        if told:
            self._reflexes.end(told, reason)

    def _rise_again(self) -> None:
        """Go on under a new id: the reaper called this worker dead, and its leases are gone."""
        with self._running.between_claims(CLAIM_SECONDS) as held:
            self._reflexes.vigil.look_at_claim(hangs=not held)
            if not held:
                return  # the next beat finds the same
            dead, anew = self._identity.id, new_id()
            with transaction(self._engine) as connection:
                workers.register(connection, anew, self._description)
            self._identity.id = anew
        log.warning("called dead, registered anew", dead=dead, worker_id=self._identity.id)
        self._reflexes.end(
            [attempt for attempt in self._running.attempts() if attempt.worker_id != anew],
            Reason.LOST,
        )

    def _compare(self) -> None:
        """Give back what the database says this worker holds and nobody here knows."""
        # While no claim is under way, what is held later was known before.
        with self._running.between_claims(CLAIM_SECONDS) as held:
            self._reflexes.vigil.look_at_claim(hangs=not held)
            if not held:
                return
            with transaction(self._engine) as connection:
                known = self._running.holds()
                unknown = holding.held_by(connection, self._identity.id) - known
        if unknown:
            self._reflexes.release(sorted(unknown))
        self._compare_at = time.monotonic() + COMPARE_SECONDS
