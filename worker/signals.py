"""What a handler raises to say how its attempt ends, other than by returning or by an error.

Exception
├── PermanentFailure  the task fails at once, whatever retries are left
└── Snooze            the task is put off, and no retry is counted
"""


class PermanentFailure(Exception):  # noqa: N818  # it is a decision of the handler's
    """Fails the task for good: another attempt would fail the same way."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class Snooze(Exception):  # noqa: N818  # it is no error
    """Gives the task back for `seconds`, uncounted: what it needs is not there yet."""

    def __init__(self, seconds: float) -> None:
        if not 0 <= seconds <= 31_536_000:
            raise ValueError(f"Snooze takes 0 to 31,536,000 seconds (a year), got {seconds}")
        super().__init__(f"snoozed for {seconds:g} s")
        self.seconds = float(seconds)
