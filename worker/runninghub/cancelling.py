"""The handler of tasks that cancel a run whose own task has ended: see `schema.unwatched_runs`."""

from pydantic import BaseModel

from schema.reserved import CANCEL_TYPE
from schema.runtime.runninghub.client import open_hub
from schema.runtime.runninghub.keys import by_queue
from schema.runtime.settings import settings
from worker.context import Context
from worker.handlers import handler
from worker.runninghub.ending import cancelled
from worker.signals import Retry


class Cancellation(BaseModel):
    """Of which run, and the queue whose key it runs under."""

    queue: str
    run_id: str


@handler(CANCEL_TYPE)
async def cancel_run(context: Context, payload: Cancellation) -> None:  # noqa: ARG001
    """Cancel a run at RunningHub."""
    key = by_queue(settings().hub_keys).get(payload.queue)
    if key is None:
        why: str | None = f"No key serves the queue {payload.queue}: see RUNNINGHUB_KEYS."
    else:
        why = await cancelled(await open_hub(key), payload.run_id)
    if why is not None:
        raise Retry(f"run {payload.run_id} may go on at RunningHub, and be paid: {why}")
