"""What the double refuses, with RunningHub's own codes and words."""

from typing import Any


class Refused(Exception):  # noqa: N818  # it is an answer, not an error of the double's
    """An answer whose code is not 0."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


def unauthorized() -> Refused:
    """Return the answer to a key that is not known."""
    return Refused(802, "APIKEY_UNAUTHORIZED")


def invalid(what: str) -> Refused:
    """Return the answer to a request that lacks something."""
    return Refused(301, f"PARAMS_INVALID: {what}")
