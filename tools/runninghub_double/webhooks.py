"""Webhooks: what the double sends when a run has ended, or when it is told to."""

import asyncio

import httpx2
import orjson

from tools.runninghub_double.double import Double
from tools.runninghub_double.runs import ACTIVE, Run

LOOK_SECONDS = 0.1
TRIES = 3
AGAIN_SECONDS = 1.0
ANSWER_SECONDS = 5.0

_under_way: set["asyncio.Task[None]"] = set()


def follow(double: Double, run: Run) -> None:
    """Send the webhook of a run once it has ended, if one was asked for."""
    if run.webhook is not None:
        task = asyncio.create_task(_announce(double, run))
        _under_way.add(task)
        task.add_done_callback(_under_way.discard)


async def send(double: Double, run: Run) -> int | None:
    """Send it as that of a run that succeeded, true or not; return the status of the answer."""
    double.calls["webhook"] += 1
    event = {"code": 0, "msg": "success", "data": []}
    body = {"event": "TASK_END", "taskId": run.id, "eventData": orjson.dumps(event).decode()}
    async with httpx2.AsyncClient(timeout=ANSWER_SECONDS) as client:
        try:
            return (await client.post(run.webhook or "", json=body)).status_code
        except httpx2.HTTPError:
            return None


async def _announce(double: Double, run: Run) -> None:
    while run.status(double.clock.now()) in ACTIVE:  # noqa: ASYNC110  # somebody winds the clock
        await asyncio.sleep(LOOK_SECONDS)
    for _ in range(TRIES):
        if await send(double, run) == 200:
            return
        await asyncio.sleep(AGAIN_SECONDS)
