"""What the address of the list asks for: the filters of the API, as a form shows them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.datastructures import QueryParams

from api.catalogue import fault_of
from api.languages import Language
from api.problems import Invalid
from api.task_query import SEVERAL, TaskQuery, parse
from schema.filters import TaskFilter
from schema.states import STATUSES_OF, allowed_actions

PER_PAGE = 50
PAGE_SIZES = (50, 100, 250, 500)
PAGING = frozenset({"before_id", "offset", "limit", "include_total"})
SHOWN_ONE_BY_ONE = SEVERAL - {"state", "priority"}
"""Filters whose values a form shows one by one, each to be taken away."""

_NOT_FILTERS = frozenset({"lang"})
_MOMENTS = frozenset({"created_after", "created_before"})

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: as it came, and as it is understood; None: it is not, for `faults`."""

    pairs: Pairs
    query: TaskQuery | None
    faults: Mapping[str, str]

    def values(self, name: str) -> list[str]:
        """Return what was given for a filter."""
        return [value for given, value in self.pairs if given == name]

    def value(self, name: str) -> str:
        """Return the last of them, or nothing."""
        return (self.values(name) or [""])[-1]

    def has(self, name: str, value: str) -> bool:
        """Whether a filter was given this value."""
        return (name, value) in self.pairs

    @property
    def chips(self) -> list[tuple[str, str]]:
        """The filters that are shown one by one."""
        return [pair for pair in self.pairs if pair[0] in SHOWN_ONE_BY_ONE]

    @property
    def is_filtered(self) -> bool:
        """Whether it asks for less than all tasks."""
        return any(name not in PAGING for name, _ in self.pairs)

    def filters(self, zone: ZoneInfo) -> str:
        """Return the query that asks the API for all that matches."""
        return urlencode([pair for pair in _understood(self.pairs, zone) if pair[0] not in PAGING])

    def address(self, **more: Any) -> str:
        """Return the query of an address that asks for the same, elsewhere in the list."""
        kept = [pair for pair in self.pairs if pair[0] not in {"before_id", "offset"}]
        return urlencode([*kept, *((name, value) for name, value in more.items() if value)])


def ask(parameters: QueryParams | Pairs, zone: ZoneInfo, language: Language) -> Asked:
    """Return what an address asks for; times without an offset are those of the zone."""
    given = parameters.multi_items() if isinstance(parameters, QueryParams) else parameters
    pairs = [(name, value) for name, value in given if value and name not in _NOT_FILTERS]
    try:
        query = parse(_understood(pairs, zone), TaskQuery)
    except Invalid as problem:
        told = {
            fault.pointer.split("/")[1]: fault_of(fault.code, fault.values, language)
            for fault in problem.faults
        }
        return Asked(pairs, None, told)
    return Asked(pairs, query, {})


def actions_of_all(wanted: TaskFilter) -> list[str]:
    """Return the verbs that every task which a filter can match allows."""
    statuses = wanted.statuses()
    of_each = [
        set(allowed_actions(status, stopping=False))
        for status in (statuses if statuses is not None else _all_statuses())
    ]
    return sorted(set.intersection(*of_each)) if of_each else []


def _all_statuses() -> Iterable[str]:
    return {status for statuses in STATUSES_OF.values() for status in statuses}


def _understood(pairs: Pairs, zone: ZoneInfo) -> Iterable[tuple[str, str]]:
    if not any(name == "limit" for name, _ in pairs):
        yield "limit", str(PER_PAGE)
    for name, value in pairs:
        yield name, with_offset(value, zone) if name in _MOMENTS else value


def with_offset(value: str, zone: ZoneInfo) -> str:
    """Return a time of a form as RFC 3339 has it; without an offset it is the zone's."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    if moment.tzinfo is not None:
        return value
    return moment.replace(tzinfo=zone).astimezone(UTC).isoformat()
