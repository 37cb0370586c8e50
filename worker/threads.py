"""Threads that do not die unnoticed."""

import threading
from collections.abc import Callable

from schema.runtime.logging import get_logger

log = get_logger(__name__)

Failed = Callable[[], None]
"""Called from the thread that failed, after its error was logged."""


def watched(name: str, run: Callable[[], None], failed: Failed) -> threading.Thread:
    """Return a thread that runs `run`, and calls `failed` when that raises."""

    def watch() -> None:
        try:
            run()
        except Exception:
            log.exception("thread failed", thread=name)
            failed()

    return threading.Thread(target=watch, name=name, daemon=True)
