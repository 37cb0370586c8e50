"""Turns what users give into what is sent."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

import httpx2


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def as_json(body: Mapping[str, Any]) -> bytes:
    """Return a body; times in it may be datetimes. Raises TypeError or ValueError."""
    return json.dumps(body, allow_nan=False, default=_as_text).encode()


def as_query(parameters: Mapping[str, Any]) -> httpx2.QueryParams:
    """Return a query: several values are one parameter each, None is left out."""
    if isinstance(parameters, httpx2.QueryParams):
        return parameters
    return httpx2.QueryParams(
        [
            (name, _in_query(value))
            for name, given in parameters.items()
            for value in (given if _is_several(given) else [given])
            if value is not None
        ]
    )


def in_path(name: str) -> str:
    """Return a name as one part of a path, whatever is in it."""
    return quote(name, safe="").replace(".", "%2E") if name in {".", ".."} else quote(name, safe="")


def _is_several(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str)


def _in_query(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return _as_text(value) if isinstance(value, date) else value


def _as_text(value: Any) -> str:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone: give it one, such as datetime.now(UTC)")
    if isinstance(value, date):  # which a datetime is too
        return value.isoformat()
    raise TypeError(f"{value!r} is not JSON")
