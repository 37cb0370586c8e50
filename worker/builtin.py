"""Handlers that every worker has."""

import asyncio
from typing import Any

from pydantic import BaseModel, Field

from schema.runtime.logging import get_logger
from worker import callback_task, command, http_task  # noqa: F401  # they register handlers
from worker.context import Context
from worker.handlers import handler
from worker.runninghub import cancelling  # noqa: F401  # likewise
from worker.runninghub import handler as runninghub  # noqa: F401  # likewise

log = get_logger(__name__)


class Sleep(BaseModel):
    """Payload of "sleep"."""

    seconds: float = Field(default=1, ge=0, le=604_800)


class Fail(BaseModel):
    """Payload of "fail"."""

    message: str = "failed as asked"


@handler("default")
async def carry_out(context: Context, payload: dict[str, Any]) -> None:  # noqa: ARG001
    """Carry out a task with nothing but a title: it is logged, and that is all."""
    log.info("task carried out", task_id=context.task_id, title=context.title)


@handler("sleep")
async def sleep(context: Context, payload: Sleep) -> dict[str, float]:  # noqa: ARG001
    """Sleep for the seconds of the payload."""
    await asyncio.sleep(payload.seconds)
    return {"slept_seconds": payload.seconds}


@handler("fail")
async def fail(context: Context, payload: Fail) -> None:  # noqa: ARG001
    """Fail with the message of the payload."""
    raise RuntimeError(payload.message)
