"""A file that says that the worker lives, for whoever looks from outside without the database."""

from collections.abc import Callable
from pathlib import Path

from schema.runtime.logging import get_logger

log = get_logger(__name__)

Pulse = Callable[[], None]
"""Says that the heart beats, or tries to: an outage of the database is no reason for a restart."""


def no_pulse() -> None:
    """Say nothing."""


def pulse_in(path: str | None) -> Pulse:
    """Return what touches the file WORKER_HEALTH_FILE."""
    if path is None:
        return no_pulse
    file, failed = Path(path), False

    def touch() -> None:
        nonlocal failed
        try:
            file.touch()
        except OSError as error:
            if not failed:
                log.warning("WORKER_HEALTH_FILE cannot be written", error=str(error))
            failed = True

    return touch
