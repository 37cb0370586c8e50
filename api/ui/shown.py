"""How pages write times, durations and documents."""

import json
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400


def now() -> datetime:
    """Return the time as the database writes it: UTC, without an offset."""
    return datetime.now(UTC).replace(tzinfo=None)


def moment(value: datetime, zone: ZoneInfo) -> str:
    """Return what a clock in a zone shows at a time of the database, to the second."""
    there = value.replace(tzinfo=UTC).astimezone(zone)
    is_this_year = there.year == datetime.now(zone).year
    return there.strftime("%m-%d %H:%M:%S" if is_this_year else "%Y-%m-%d %H:%M")


def exact(value: datetime) -> str:
    """Return a time of the database as RFC 3339 has it."""
    return value.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units: 4 min 10 s."""
    seconds = max(seconds, 0)
    if seconds < 1:
        return f"{seconds * 1_000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return in_words(whole)
    if whole < DAY:
        return in_words(whole // MINUTE * MINUTE)
    return in_words(whole // HOUR * HOUR)


def in_words(seconds: int) -> str:
    """Return a length of time that somebody chose, in all its units: 1 h 30 min."""
    rest, parts = seconds, []
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"


def number(value: int) -> str:
    """Return a number in groups of three digits."""
    return f"{value:,}"


def document(value: Any) -> str:
    """Return a JSON value to be read; long integers stay exact."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
