"""Handlers of a worker that is killed before a workflow has saved anything."""

import os
import signal
from typing import Any

from worker.runninghub.record import Record


def _die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


Record.read = _die  # type: ignore[assignment,method-assign]
