"""When a schedule runs, in words and as a picture of the day."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from api.ui import shown
from api.ui.pages import text
from api.ui.words import english
from schema import windows
from schema.schedules import ScheduleRow
from schema.times import from_database
from schema.windows import MINUTES
from schema.zones import UnknownZoneError, reading, zone_of

DAYS = (
    english("Sunday"),
    english("Monday"),
    english("Tuesday"),
    english("Wednesday"),
    english("Thursday"),
    english("Friday"),
    english("Saturday"),
)
WORKING_DAYS = "1-5"


@dataclass(frozen=True, slots=True)
class Day:
    """The day of a schedule in minutes: windows as start and length, and what clocks show now."""

    windows: tuple[tuple[int, int], ...]
    now: int
    words: str


def in_words(request: Request, row: ScheduleRow) -> str:
    """Return when a schedule runs; a cron expression that has no short words as it is."""
    if row["cron"] is None:
        every = shown.in_words(row["interval_seconds"])
        return text(request, "every %(time)s", time=every)
    fields = row["cron"].split()
    return (len(fields) == 5 and _cron(request, fields)) or str(row["cron"])


def day_of(row: ScheduleRow, now: datetime) -> Day | None:
    """Return the day of a schedule; None where its windows or its zone cannot be understood."""
    try:
        parsed = windows.parse(row["valid_time_range"])
        clock = reading(from_database(now), zone_of(row["timezone"]))
    except (windows.WindowsError, UnknownZoneError):
        return None
    spans = [(window.start, window.length) for window in parsed] or [(0, MINUTES)]
    words = ", ".join(f"{_clock(start)}–{_clock(start + length)}" for start, length in spans)
    return Day(tuple(_within(spans)), clock.hour * 60 + clock.minute, words)


def _cron(request: Request, fields: list[str]) -> str:
    minute, hour, day, month, weekday = fields
    if month != "*":
        return ""
    if hour == day == weekday == "*":
        return _in_the_hour(request, minute)
    if not _are_numbers(minute, hour) or "," in minute:
        return ""
    times = ", ".join(f"{int(each):02}:{int(minute):02}" for each in hour.split(","))
    return _on_days(request, day, weekday, times)


def _on_days(request: Request, day: str, weekday: str, times: str) -> str:
    if day == weekday == "*":
        return text(request, "daily at %(times)s", times=times)
    if day == "*":
        return _weekly(request, weekday, times)
    if weekday == "*" and _are_numbers(day):
        return text(request, "on day %(days)s of the month at %(times)s", days=day, times=times)
    return ""


def _in_the_hour(request: Request, minute: str) -> str:
    if minute == "*":
        return text(request, "every minute")
    if minute.startswith("*/") and minute[2:].isdigit() and 60 % int(minute[2:]) == 0:
        return text(request, "every %(time)s", time=f"{minute[2:]} min")
    if _are_numbers(minute):
        return text(request, "hourly at minute %(minutes)s", minutes=minute)
    return ""


def _weekly(request: Request, weekday: str, times: str) -> str:
    if weekday == WORKING_DAYS:
        return text(request, "Monday to Friday at %(times)s", times=times)
    if not _are_numbers(weekday):
        return ""
    days = ", ".join(text(request, DAYS[int(each) % 7]) for each in weekday.split(","))
    return text(request, "%(days)s at %(times)s", days=days, times=times)


def _are_numbers(*fields: str) -> bool:
    return all(part.isascii() and part.isdigit() for each in fields for part in each.split(","))


def _clock(minute: int) -> str:
    minute = minute if minute == MINUTES else minute % MINUTES
    return f"{minute // 60:02}:{minute % 60:02}"


def _within(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield windows within one day: what goes on beyond midnight also begins it."""
    for start, length in spans:
        yield start, min(length, MINUTES - start)
        if start + length > MINUTES:
            yield 0, start + length - MINUTES
