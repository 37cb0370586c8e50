"""Windows of the day in which a schedule may fire: half open, on the clocks of its time zone."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from schema.zones import reached_at, reading, shown_at

MINUTES = 24 * 60
MOST_WINDOWS = 24

_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d)", re.ASCII)


class WindowsError(ValueError):
    """What was given are no windows of the day."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the day: minutes from midnight to its start, and its length in minutes."""

    start: int
    length: int

    def holds(self, minute: int) -> bool:
        """Whether a minute of the day lies in it."""
        return (minute - self.start) % MINUTES < self.length

    def span(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return when it opens on a day, and when it closes.

        It opens when the clocks first show its start, and closes when they first come up to its
        end. One that they leap over opens and closes at the moment of the leap.
        """
        opens = datetime.combine(day, time()) + timedelta(minutes=self.start)
        closes = opens + timedelta(minutes=self.length)
        return shown_at(opens, zone), reached_at(closes, zone)


def parse(value: Any) -> tuple[Window, ...]:
    """Return windows from their JSON, [8, 22] or [[8, "12:30"], [14, 18]], in order.

    Those that overlap or touch become one; none at all means the whole day, and so does null.
    Raises WindowsError.
    """
    if value is None:
        return ()
    pairs = value if isinstance(value, list) and _is_nested(value) else [value]
    if not 1 <= len(pairs) <= MOST_WINDOWS:
        raise WindowsError(f"there must be 1 to {MOST_WINDOWS} windows")
    return _merged([_window(pair) for pair in pairs])


def open_spans(
    windows: Sequence[Window], zone: ZoneInfo, moment: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield when windows open and close, from the first on that is not over at a moment."""
    day = reading(moment, zone).date() - timedelta(days=1)
    while True:
        for window in windows:
            opens, closes = window.span(day, zone)
            if moment < closes or moment <= opens:
                yield opens.astimezone(UTC), closes.astimezone(UTC)
        day += timedelta(days=1)


def _is_nested(value: list[Any]) -> bool:
    return not value or any(isinstance(item, list) for item in value)


def _window(pair: Any) -> Window:
    if not isinstance(pair, list) or len(pair) != 2:
        raise WindowsError("a window is a start and an end")
    start, end = _minute(pair[0]), _minute(pair[1])
    if start == MINUTES:
        raise WindowsError("a window begins before 24")
    if start == end:
        raise WindowsError("a window ends where it begins")
    whole_day = (start, end) == (0, MINUTES)
    return Window(start, MINUTES if whole_day else (end - start) % MINUTES)


def _minute(value: Any) -> int:
    clock = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if clock is not None:
        minute = int(clock[1]) * 60 + int(clock[2])
    elif isinstance(value, int) and not isinstance(value, bool):
        minute = value * 60
    else:
        raise WindowsError(f"not an hour: {value!r}")
    if not 0 <= minute <= MINUTES:
        raise WindowsError(f"not an hour of the day: {value!r}")
    return minute


def _merged(windows: Sequence[Window]) -> tuple[Window, ...]:
    is_open = [any(window.holds(minute) for window in windows) for minute in range(MINUTES)]
    starts = [minute for minute in range(MINUTES) if is_open[minute] and not is_open[minute - 1]]
    ends = [minute for minute in range(MINUTES) if is_open[minute - 1] and not is_open[minute]]
    return tuple(
        Window(start, min((end - start) % MINUTES for end in ends)) for start in sorted(starts)
    )
