"""Turns what the API answers, parsed JSON, into records.

Records are frozen objects, not dictionaries: `task.due_date` is a datetime, editors complete it,
and mypy knows it. A field that the API is given later gets a default in its record, so that older
servers can still be read; fields that a record does not know are in its `json`.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import date, datetime
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

R = TypeVar("R", bound="Record")
Reader = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the API answers, as an object that does not change.

    `json` is the answer as it came, with fields that this version of the client does not know.
    """

    json: Mapping[str, Any] = field(repr=False, compare=False)


def read(kind: type[R], document: Mapping[str, Any]) -> R:
    """Return a record; fields that it does not know are left out.

    Raises KeyError, TypeError or ValueError when the document is something else.
    """
    values = {
        name: reader(document[name])
        for name, reader, is_required in _readers(kind)  # type: ignore[arg-type]  # it has a hash
        if is_required or name in document
    }
    return kind(json=document, **values)


@cache
def _readers(kind: type[Any]) -> list[tuple[str, Reader, bool]]:
    hints = get_type_hints(kind)
    return [
        (each.name, _reader(hints[each.name]), each.default is MISSING)
        for each in fields(kind)
        if each.name != "json"
    ]


def _reader(hint: Any) -> Reader:
    """Return what turns JSON into a value of this type; null stays None everywhere."""
    inner = _inner(hint)
    return lambda value: None if value is None else inner(value)


def _inner(hint: Any) -> Reader:
    members = [each for each in get_args(hint) if each is not NoneType]
    if hint in {datetime, date}:
        parse: Reader = hint.fromisoformat
        return parse
    if isinstance(hint, type) and issubclass(hint, Record):
        return partial(read, hint)
    if get_origin(hint) is tuple:
        each = _reader(members[0])
        return lambda values: tuple(each(value) for value in values)
    if get_origin(hint) in {Union, UnionType} and len(members) == 1:
        return _inner(members[0])
    return lambda value: value
