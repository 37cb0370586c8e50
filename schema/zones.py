"""Time zones, by the rules of the package tzdata: the same on every machine."""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

_FOLDER = resources.files("tzdata").joinpath("zoneinfo")
_NAMES = frozenset(resources.files("tzdata").joinpath("zones").read_text("utf-8").split())


class UnknownZoneError(ValueError):
    """There is no time zone of this name."""


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return the time zone with an IANA name, as Asia/Shanghai. Raises UnknownZoneError."""
    if name not in _NAMES:
        raise UnknownZoneError(f"there is no time zone {name!r}; one is called Asia/Shanghai")
    with _FOLDER.joinpath(*name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


def reading(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return what the clocks of a zone show at a moment, without a time zone."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def shown_at(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which the clocks of a zone show `wall`.

    What they show twice is the first of the two; what they leap over is the moment of the leap.
    """
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if reading(moment, zone) == wall:
        return moment
    return _leap(zone, wall.replace(tzinfo=zone, fold=1).astimezone(UTC), moment)


def reached_at(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which the clocks of a zone have come up to `wall`.

    It differs from `shown_at` where they are set back at that very moment.
    """
    before = wall - timedelta(microseconds=1)
    moment = shown_at(before, zone)
    is_shown = reading(moment, zone) == before
    return moment + timedelta(microseconds=1) if is_shown else moment


def _leap(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the second between two moments at which the clocks of a zone were set."""
    start = before.replace(microsecond=0)
    offset = after.astimezone(zone).utcoffset()

    def is_set(seconds: int) -> bool:
        return (start + timedelta(seconds=seconds)).astimezone(zone).utcoffset() == offset

    seconds = range(int((after - start).total_seconds()) + 1)
    return start + timedelta(seconds=bisect_left(seconds, x=True, key=is_set))
