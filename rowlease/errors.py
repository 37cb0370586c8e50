"""What the client raises.

RowleaseError             catch this for everything below
├── SettingsError         the url or the token cannot be used
├── ConnectionFailed      the server cannot be reached, or did not answer in time
├── UnexpectedAnswer      the answer is none of Rowlease's
├── WaitTimeout           the task has not ended in time; `task` is how it stands
└── ApiError              the server refused: status, code, detail, errors, problem
    ├── Invalid           400, 413, 415, 422: the request cannot be taken as it is
    ├── Unauthorized      401: a token is missing, or is none of the server's
    ├── Forbidden         403: the token may not do this
    ├── NotFound          404
    ├── Conflict          409: its state does not allow it
    ├── PreconditionFailed  412: it was changed by somebody else
    ├── TooManyRequests   429
    └── Unavailable       503: the server cannot serve now
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from rowlease.task_records import Task


class RowleaseError(Exception):
    """Whatever goes wrong in the client."""


class SettingsError(RowleaseError):
    """The url or the token cannot be used."""


class ConnectionFailed(RowleaseError):
    """The server cannot be reached, or the connection broke, after all retries.

    Whether a change was made is not known when it broke after the request was sent.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        """Say which server, and why."""
        return f"no answer from {self.url}: {self.reason}"


class UnexpectedAnswer(RowleaseError):
    """The answer is none of Rowlease's: another server may stand at this address."""


class WaitTimeout(RowleaseError):
    """The task has not ended within `seconds`; `task` is how it stands."""

    def __init__(self, task: Task, seconds: float) -> None:
        super().__init__(task, seconds)
        self.task = task
        self.seconds = seconds

    def __str__(self) -> str:
        """Say which task, and how it stands."""
        return (
            f"task {self.task.id} has not ended within {self.seconds:g} s: it is {self.task.status}"
        )


@dataclass(frozen=True)
class Fault:
    """What is wrong with one field: `pointer` says which, as a JSON Pointer."""

    pointer: str
    detail: str


class ApiError(RowleaseError):
    """The server refused. `problem` is its whole answer, with members that some codes add.

    code         what it is, in a word for programs; None when the answer is not Rowlease's own
    detail       what it is, in a sentence
    errors       for Invalid: what is wrong with which field
    retry_after  seconds that the server asks to wait before the next try; None if it says nothing
    """

    def __init__(
        self, status: int, problem: Mapping[str, Any], retry_after: float | None = None
    ) -> None:
        super().__init__(status, problem, retry_after)
        self.status = status
        self.problem = problem
        self.retry_after = retry_after
        code = problem.get("code")
        self.code = None if code is None else str(code)
        self.detail = str(problem.get("detail") or problem.get("title") or _phrase(status))
        self.errors = _faults(problem.get("errors"))

    def __str__(self) -> str:
        """Return the sentence, and a line for each further field."""
        summary = f"{self.detail} ({' '.join(filter(None, (str(self.status), self.code)))})"
        return "\n".join([summary, *(f"{each.pointer}: {each.detail}" for each in self.errors[1:])])


class Invalid(ApiError):
    """400, 413, 415, 422: the request cannot be taken as it is."""


class Unauthorized(ApiError):
    """401: a token is missing, or is none of the server's."""


class Forbidden(ApiError):
    """403: the token may not do this."""


class NotFound(ApiError):
    """404: there is no such thing."""


class Conflict(ApiError):
    """409: its state does not allow it; `problem` may have current_state, existing_id."""


class PreconditionFailed(ApiError):
    """412: it was changed by somebody else."""


class TooManyRequests(ApiError):
    """429: more requests than the server takes, after all retries."""


class Unavailable(ApiError):
    """503: the server cannot serve now, after all retries."""


BY_STATUS: Mapping[int, type[ApiError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: TooManyRequests,
    503: Unavailable,
}


def _faults(errors: Any) -> tuple[Fault, ...]:
    given = errors if isinstance(errors, list) else []
    return tuple(
        Fault(str(each.get("pointer", "")), str(each.get("detail", "")))
        for each in given
        if isinstance(each, Mapping)
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "The server refused"
