"""What an HTTP response says."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx2

from rowlease.errors import BY_STATUS, ApiError, UnexpectedAnswer
from rowlease.reading import Record, read

R = TypeVar("R", bound=Record)


def record(kind: type[R], response: httpx2.Response) -> R:
    """Return the one thing that was asked for; raises UnexpectedAnswer."""
    return _read(kind, document(response), response)


def records(kind: type[R], response: httpx2.Response) -> tuple[R, ...]:
    """Return the things that were asked for; raises UnexpectedAnswer."""
    found = document(response)
    if not isinstance(found, list):
        raise _unexpected(response, "is no array")
    return tuple(_read(kind, each, response) for each in found)


def times(response: httpx2.Response) -> tuple[datetime, ...]:
    """Return the times that were asked for; raises UnexpectedAnswer."""
    try:
        return tuple(datetime.fromisoformat(each) for each in document(response))
    except (TypeError, ValueError):
        raise _unexpected(response, "is no array of times") from None


def document(response: httpx2.Response) -> Any:
    """Return the JSON of a response; raises UnexpectedAnswer."""
    try:
        return response.json()
    except ValueError:
        raise _unexpected(response, "is not JSON") from None


def next_page(response: httpx2.Response) -> Mapping[str, Any] | None:
    """Return the parameters of the next page, None on the last one.

    Only they are taken from the link: between client and server its path may be another one.
    """
    link = response.links.get("next")
    return None if link is None else httpx2.URL(link["url"]).params


def refusal(response: httpx2.Response) -> ApiError:
    """Return the error for a response that is not a success."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"detail": _in_short(response)}
    kind = BY_STATUS.get(response.status_code, ApiError)
    return kind(response.status_code, problem, _retry_after(response))


def address(url: httpx2.URL) -> str:
    """Return which server a URL names, without what is secret in it."""
    return f"{url.scheme}://{url.netloc.decode()}"


def _read(kind: type[R], found: Any, response: httpx2.Response) -> R:
    try:
        return read(kind, found)
    except (KeyError, TypeError, ValueError) as error:
        raise _unexpected(response, f"is not a {kind.__name__}: {error!r}") from error


def _unexpected(response: httpx2.Response, what: str) -> UnexpectedAnswer:
    request = response.request
    url = f"{address(request.url)}{request.url.path}"
    return UnexpectedAnswer(f"the answer of {request.method} {url} {what}; is it Rowlease?")


def _in_short(response: httpx2.Response) -> str:
    """Say what a server answered that is not Rowlease, or something in front of it."""
    said = f"{address(response.request.url)} answered {response.status_code}"
    location = response.headers.get("location")
    reason = f" {response.reason_phrase}".rstrip()
    return f"{said}{reason}, to {location}" if location else f"{said}{reason}"


def _retry_after(response: httpx2.Response) -> float | None:
    """Return the seconds of Retry-After, which may also be a time of day."""
    given = response.headers.get("retry-after", "")
    if given.isdecimal():
        return float(given)
    try:
        moment = parsedate_to_datetime(given)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())
