"""Claims tasks and runs them. What a module of handlers needs is imported from here."""

from worker.context import Context
from worker.handlers import handler
from worker.signals import (
    FileMissing,
    HandlerEnded,
    Hold,
    LeaseLost,
    PauseQueue,
    PermanentFailure,
    Retry,
    Snooze,
)

__all__ = [
    "Context",
    "FileMissing",
    "HandlerEnded",
    "Hold",
    "LeaseLost",
    "PauseQueue",
    "PermanentFailure",
    "Retry",
    "Snooze",
    "handler",
]
