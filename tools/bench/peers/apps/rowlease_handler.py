"""The handler of our tasks, alone: all that the worker imports of the benchmark."""

from typing import Any

from tools.bench.peers.apps.ground import note
from worker import Context, handler

TASK_TYPE = "bench.note"


@handler(TASK_TYPE)
async def noted(context: Context, payload: dict[str, Any]) -> None:  # noqa: ARG001
    """Note that it was carried out."""
    note(payload["number"])
