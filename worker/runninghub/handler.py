"""The handler of tasks of type `runninghub`."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from schema.runtime.logging import get_logger
from schema.runtime.runninghub.client import Output, open_hub
from schema.runtime.runninghub.keys import by_queue
from schema.runtime.settings import settings
from schema.states import Stage
from schema.workflows import TASK_TYPE, WorkflowPayload
from worker.context import Context
from worker.handlers import handler
from worker.runninghub.creating import Creation
from worker.runninghub.ending import cancelled, last_words
from worker.runninghub.outputs import OutputMissingError, kept
from worker.runninghub.record import Step
from worker.runninghub.watching import RunFailedError, Watch
from worker.signals import LeaseLost, PauseQueue, PermanentFailure, Snooze

log = get_logger(__name__)

FINAL = frozenset({"stopped", "deadline"})
"""Why a handler is told to end when nobody goes on with its run."""

FETCHES = 3
FETCH_AGAIN_SECONDS = 120
ADDRESSES_HOLD = timedelta(hours=24)


@handler(TASK_TYPE)
async def run_workflow(context: Context, payload: WorkflowPayload) -> dict[str, Any]:
    """Run a workflow at RunningHub and return its files, its cost and how long it took."""
    configured = settings()
    key = by_queue(configured.hub_keys).get(context.queue)
    if key is None:
        raise PauseQueue(
            f"No key of RunningHub serves the queue {context.queue}: set RUNNINGHUB_KEYS for the"
            " workers, then resume the queue."
        )
    context.progress(0, "is sent to RunningHub", Stage.QUEUED)
    interval = configured.status_check_interval
    limit = timedelta(minutes=configured.task_timeout_minutes)
    creation = Creation(context, key, payload, interval)
    work = _Workflow(context, payload, creation, interval, limit)
    try:
        return await work.done()
    except asyncio.CancelledError as end:
        if FINAL.isdisjoint(end.args):  # others go on with the run
            raise
        raise await work.ended() from None


class _Workflow:
    """One attempt at a workflow."""

    def __init__(
        self,
        context: Context,
        payload: WorkflowPayload,
        creation: Creation,
        interval: float,
        limit: timedelta,
    ) -> None:
        self._context = context
        self._payload = payload
        self._creation = creation
        self._interval = interval
        self._limit = limit

    async def done(self) -> dict[str, Any]:
        """Have a run, watch it to its end, and fetch its files."""
        await self._creation.accept()
        try:
            outputs = await self._outputs()
        except RunFailedError:
            if self._creation.record.attempt == self._context.attempt:
                raise
            # The run of an attempt before this one: this is the retry, with a run of its own.
            await self._creation.create()
            outputs = await self._outputs()
        files = await self._fetched(outputs)
        return self._result(outputs, files)

    async def ended(self) -> Exception:
        """Cancel the run of a task that is stopped, and return the attempt's last words."""
        self._creation.abandoned = True
        record = self._creation.record
        if record.step is Step.CREATING:
            return PermanentFailure(
                "stopped while a run was being created: look at RunningHub whether there is one"
            )
        if record.step is Step.NEW:
            return PermanentFailure("stopped before a run was created")
        words = await last_words(self._cancelled(record.run), record.run)
        return PermanentFailure(f"stopped: {words}")

    async def _cancelled(self, run_id: str) -> str | None:
        """Cancel the run, and note that it is done, so that no task is made for it."""
        why = await cancelled(await open_hub(self._creation.key), run_id)
        if why is None:
            with suppress(LeaseLost, RuntimeError):  # too late, or the worker ends
                await self._creation.forget()
        return why

    async def _outputs(self) -> Sequence[Output]:
        workflow_id = self._payload.workflow_id
        watch = Watch(self._context, self._creation, workflow_id, self._limit)
        return await watch.outputs(self._interval)

    async def _fetched(self, outputs: Sequence[Output]) -> list[dict[str, Any]]:
        """Fetch the files; by new addresses where that fails, and later where it fails again."""
        run_id = self._creation.record.run
        for _ in range(FETCHES):
            try:
                return await kept(self._context, outputs, f"{self._payload.workflow_id}-{run_id}")
            except OutputMissingError as error:
                log.warning("output not fetched", run_id=run_id, reason=str(error))
                why = str(error)
            await asyncio.sleep(self._interval)
            outputs = await self._outputs()
        if self._creation.record.age() < ADDRESSES_HOLD:
            self._context.progress(100, f"its files are fetched later: {why}")
            raise Snooze(FETCH_AGAIN_SECONDS)
        raise PermanentFailure(
            f"run {run_id} succeeded at RunningHub, but its files cannot be fetched: {why}"
        )

    def _result(self, outputs: Sequence[Output], files: Sequence[dict[str, Any]]) -> dict[str, Any]:
        first = outputs[0] if outputs else None  # each tells the same of the whole run
        return {
            "run_id": self._creation.record.run,
            "outputs": list(files),
            "seconds": first.seconds if first else None,
            "costs": dict(first.costs) if first else {},
        }
