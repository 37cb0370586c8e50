"""Claims tasks and runs them. What a module of handlers needs is imported from here."""

from worker.context import Context
from worker.handlers import handler
from worker.signals import PermanentFailure, Snooze

__all__ = ["Context", "PermanentFailure", "Snooze", "handler"]
