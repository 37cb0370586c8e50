"""The worker as a command, and modules of handlers that a test writes for it."""

import os
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine

from tests.conftest import ROOT
from tests.processes import Running, Start
from tests.rows import change, row

HANDLERS = {"WORKER_HANDLERS": "tests.worker.sample_handlers", "RETRY_BACKOFF_SECONDS": "0"}


def ran(start: Start, *arguments: str, **environment: str) -> Running:
    """Run the worker to its end."""
    worker = start("worker", *arguments, **HANDLERS | environment)
    worker.wait(60)
    return worker


def write_module(folder: Path, name: str, text: str) -> Mapping[str, str]:
    """Write a module of handlers, at one blow, and return the settings that use it."""
    new = folder / f"{name}.new"
    new.write_text(text)
    new.rename(folder / f"{name}.py")
    search = os.pathsep.join([str(folder), str(ROOT)])
    return {"WORKER_HANDLERS": name, "PYTHONPATH": search, "PYTHONDONTWRITEBYTECODE": "1"}


def status_of(engine: Engine, *task_ids: int) -> list[str]:
    """Return where tasks stand."""
    return [row(engine, task_id)["status"] for task_id in task_ids]


def postpone(engine: Engine, task_id: int, seconds: float) -> None:
    """Let a task become due later."""
    change(engine, task_id, f"available_at = UTC_TIMESTAMP(6) + INTERVAL {seconds} SECOND")
