"""Cron expressions on the clocks of a time zone that may be set forward and back."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from schema.windows import Window, open_spans
from schema.zones import reading, shown_at

SECOND = timedelta(seconds=1)


class CronError(ValueError):
    """What was given is no cron expression."""


def check(expression: str) -> None:
    """Raise CronError for what is no cron expression of five fields, or six with seconds first."""
    _times(expression, datetime(2000, 1, 1))  # noqa: DTZ001  # as a clock shows it


def following(
    expression: str, zone: ZoneInfo, windows: Sequence[Window], after: datetime
) -> datetime | None:
    """Return the first time of a cron expression after a moment that lies in the windows.

    An expression for certain hours runs once on every day that has them: what the clocks leap
    over runs at the moment of the leap, what they show twice the first time. One for every hour
    goes on as time does. None when there is no such time within 50 years.
    """
    times = _times(expression, reading(after, zone))
    if windows and not _meet(times, windows):
        return None
    if len(times.hours) == 24:
        return _following_in_time(expression, zone, windows, after)
    return _following_on_clock(expression, zone, windows, after)


def _following_on_clock(
    expression: str, zone: ZoneInfo, windows: Sequence[Window], after: datetime
) -> datetime | None:
    wall = reading(after, zone)
    while (shown := next(_times(expression, wall), None)) is not None:
        moment = shown_at(shown, zone)
        if windows and not _holds(windows, shown):
            wall = _opening_on_clock(windows, shown) - SECOND
        elif moment <= after:
            wall = shown
        else:
            return moment
    return None


def _following_in_time(
    expression: str, zone: ZoneInfo, windows: Sequence[Window], after: datetime
) -> datetime | None:
    # With five fields, it would itself treat hours that are skipped or come twice.
    in_seconds = expression if len(expression.split()) == 6 else f"0 {expression}"
    while (found := next(_times(in_seconds, after.astimezone(zone)), None)) is not None:
        moment = found.astimezone(UTC)
        opens, _ = next(open_spans(windows, zone, moment)) if windows else (moment, moment)
        if opens <= moment:
            return moment
        after = opens - SECOND
    return None


def _times(expression: str, after: datetime) -> CronSim:
    try:
        return CronSim(expression, after)
    except CronSimError as error:
        raise CronError(str(error)) from None


def _meet(times: CronSim, windows: Sequence[Window]) -> bool:
    return any(
        window.holds(hour * 60 + minute)
        for window in windows
        for hour in times.hours
        for minute in times.minutes
    )


def _holds(windows: Sequence[Window], shown: datetime) -> bool:
    return any(window.holds(shown.hour * 60 + shown.minute) for window in windows)


def _opening_on_clock(windows: Sequence[Window], shown: datetime) -> datetime:
    midnight = datetime.combine(shown, time())
    starts = [
        midnight + timedelta(days=day, minutes=window.start) for day in (0, 1) for window in windows
    ]
    return min(start for start in starts if start > shown)
