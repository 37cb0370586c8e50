"""A log that is not full of tracebacks: one line when trouble begins, one when it is over."""

import random
import time

from schema.runtime.errors import error_code
from schema.runtime.logging import get_logger
from schema.runtime.metrics import DATABASE_ERRORS
from schema.runtime.transactions import is_refused

log = get_logger(__name__)

LONGEST_WAIT_SECONDS = 2.0


class Outage:
    """The trouble that one loop has with the database, from its first error to its end."""

    def __init__(self, doing: str) -> None:
        self.doing = doing
        self._since: float | None = None
        self._errors = 0

    def wait_after(self, error: Exception) -> float:
        """Return the seconds to wait before the next try.

        Raises the error again when waiting will not mend it.
        """
        if is_refused(error):
            raise error
        self._errors += 1
        DATABASE_ERRORS.labels(str(error_code(error.__cause__ or error))).inc()
        if self._since is None:
            self._since = time.monotonic()
            cause = error.__cause__ or error
            log.warning(
                "database trouble",
                doing=self.doing,
                error=type(cause).__name__,
                code=error_code(cause),
                message=str(getattr(cause, "orig", None) or cause)[:300],
            )
        wait = min(0.02 * float(1 << min(self._errors, 10)), LONGEST_WAIT_SECONDS)
        return wait * random.uniform(0.5, 1)  # noqa: S311  # spreads load, hides nothing

    def over(self) -> None:
        """Take note that the loop got through."""
        if self._since is None:
            return
        seconds = round(time.monotonic() - self._since, 3)
        log.info("database trouble is over", doing=self.doing, seconds=seconds, errors=self._errors)
        self._since, self._errors = None, 0
