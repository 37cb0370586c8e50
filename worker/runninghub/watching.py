"""Watching a run to its end: asked again and again, whatever the network does meanwhile."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from schema.runtime.logging import get_logger
from schema.runtime.runninghub.client import Output
from schema.runtime.runninghub.codes import Meaning
from schema.runtime.runninghub.errors import HubError, Refusal
from schema.states import Stage
from worker.context import Context
from worker.runninghub.creating import Creation
from worker.runninghub.ending import cancelled
from worker.runninghub.hints import awaited
from worker.runninghub.progress import Progress
from worker.runninghub.waiting import signal_of
from worker.signals import PermanentFailure

log = get_logger(__name__)

LEASE_MARGIN = timedelta(seconds=20)
"""How long before the end of its lease a handler ends a run that is not done."""

MOST_MISSES = 5
"""How often in a row RunningHub may not know a run: it may be slow to learn of a new one."""


class RunFailedError(Exception):
    """The run failed at RunningHub; the message has its words."""


class Watch:
    """Asks for one run until it has ended, or `limit` is over."""

    def __init__(
        self, context: Context, creation: Creation, workflow_id: str, limit: timedelta
    ) -> None:
        hub, record = creation.hub, creation.record
        self._progress = Progress(hub, workflow_id, self._advance)
        self._context = context
        self._hub = hub
        self._run_id = record.run
        self._percent = 0.0
        self._misses = 0
        self._is_silent = False
        self._ends_at = datetime.now(UTC) - record.age() + limit
        self._ends_at = min(self._ends_at, context.deadline - LEASE_MARGIN)
        self._limit = limit

    async def outputs(self, interval: float) -> Sequence[Output]:
        """Return the files of the run when it has succeeded.

        Raises RunFailedError when it failed, PermanentFailure when its time was over or it cannot
        be found, PauseQueue when the key may ask no more.
        """
        try:
            with awaited(self._context.task_id) as hints:
                while True:
                    outputs, wait = await self._look(interval)
                    if outputs is not None:
                        return outputs
                    left = (self._ends_at - datetime.now(UTC)).total_seconds()
                    if left <= 0:
                        raise await self._timed_out()
                    await hints.wait(min(wait, left))
        finally:
            self._progress.end()

    async def _look(self, interval: float) -> tuple[Sequence[Output] | None, float]:
        """Return the outputs if they are there, and how long to wait before the next look."""
        wait = interval
        try:
            outputs = await self._hub.outputs(self._run_id)
        except Refusal as refusal:
            self._judge(refusal)
            if refusal.meaning is Meaning.CAPACITY:
                wait = max(interval, refusal.wait_seconds)
        except HubError as error:
            self._note_silence(error)
        else:
            if outputs is None:
                self._tell(Stage.RUNNING)
            return outputs, wait
        return None, wait

    def _judge(self, refusal: Refusal) -> None:
        self._misses = self._misses + 1 if refusal.meaning is Meaning.NOT_FOUND else 0
        match refusal.meaning:
            case Meaning.QUEUED:
                self._tell(Stage.QUEUED)
            case Meaning.RUNNING:
                self._tell(Stage.RUNNING)
                self._progress.follow(refusal.socket)
            case Meaning.RUN_FAILED:
                raise RunFailedError(f"run {self._run_id} failed: {refusal}")
            case Meaning.NOT_FOUND if self._misses < MOST_MISSES:
                pass
            case Meaning.NOT_FOUND:
                raise PermanentFailure(
                    f"RunningHub does not know run {self._run_id} any more: look there. Start the"
                    f" task for a new run, which is paid. {refusal}"
                ) from None
            case Meaning.PERMANENT | Meaning.KEY | Meaning.BALANCE:
                raise signal_of(refusal, 0) from None
            case Meaning.CAPACITY | Meaning.PASSING:
                self._note_silence(refusal)

    def _tell(self, stage: Stage) -> None:
        self._is_silent = False
        self._context.progress(self._percent, f"run {self._run_id}", stage)

    def _advance(self, percent: float) -> None:
        self._percent = max(self._percent, percent)
        self._tell(Stage.RUNNING)

    def _note_silence(self, error: HubError) -> None:
        if not self._is_silent:
            task_id = self._context.task_id
            log.warning("run not seen", task_id=task_id, run_id=self._run_id, reason=str(error))
        self._is_silent = True
        self._context.progress(self._percent, f"run {self._run_id}: {error}")

    async def _timed_out(self) -> PermanentFailure:
        minutes = self._limit.total_seconds() / 60
        why = await cancelled(self._hub, self._run_id)
        end = "it was cancelled there" if why is None else f"it may go on there, look: {why}"
        return PermanentFailure(
            f"run {self._run_id} did not end within {minutes:g} min at RunningHub; {end}",
            outcome="timed_out",
        )
