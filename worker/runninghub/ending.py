"""Ending a run at RunningHub: because the task was stopped, or took too long."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from schema.runtime.logging import get_logger
from schema.runtime.runninghub.client import Hub
from schema.runtime.runninghub.codes import Meaning
from schema.runtime.runninghub.errors import HubError, Refusal

log = get_logger(__name__)

TRIES = 5
LAST_WORDS_SECONDS = 0.6
"""What a handler that is told to end has to say what became of its run."""

_under_way: set["asyncio.Task[str | None]"] = set()


async def cancelled(hub: Hub, run_id: str) -> str | None:
    """Cancel a run and return None, or why that is not known to have been done."""
    why = ""
    for attempt in range(TRIES):
        if attempt:
            await asyncio.sleep(2 ** (attempt - 1))
        try:
            await hub.cancel(run_id)
        except Refusal as error:
            why = str(error)
            if error.meaning is Meaning.NOT_FOUND:
                break
            if error.meaning is not Meaning.PASSING:
                return why
        except HubError as error:
            why = str(error)
        else:
            break
    else:
        return why
    log.info("run cancelled", run_id=run_id)
    return None


async def last_words(cancelling: Coroutine[Any, Any, str | None], run_id: str) -> str:
    """Cancel a run whose task ends now, and return what can be said of it in time.

    What is not done by then goes on, as long as the worker does; of a task that was stopped or
    deleted, another task cancels it too.
    """
    task = asyncio.create_task(cancelling)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    task.add_done_callback(lambda done: _tell(run_id, done))
    done, _ = await asyncio.wait([task], timeout=LAST_WORDS_SECONDS)
    why = task.result() if done else "It has not answered yet."
    if why is None:
        return f"run {run_id} was cancelled at RunningHub too"
    return f"run {run_id} may go on at RunningHub, and be paid: it is asked again. {why}"


def _tell(run_id: str, done: "asyncio.Task[str | None]") -> None:
    if done.cancelled():
        log.warning("run not cancelled: the worker ends", run_id=run_id)
    elif (why := done.result()) is not None:
        log.warning("run not cancelled", run_id=run_id, reason=why)
