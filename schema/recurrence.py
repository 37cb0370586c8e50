"""When a schedule runs: arithmetic on moments, days and clocks, without a database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from schema import cron, windows
from schema.times import from_database
from schema.windows import Window, open_spans
from schema.zones import reading, shown_at, zone_of

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)

FAR = datetime(9900, 1, 1, tzinfo=UTC)
"""Nothing runs from here on: further steps would leave what a datetime can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """What decides when a schedule runs: every `interval`, or by `cron` where that is set.

    Moments have time zones; `windows` are those of `windows.parse`, and from the first moment
    of `end_day` on nothing runs. An interval of less than a day is time that passes; one of a
    day or more keeps the time of day that clocks show.
    """

    zone: ZoneInfo
    interval: timedelta = timedelta(hours=1)
    cron: str | None = None
    windows: tuple[Window, ...] = ()
    start_at: datetime | None = None
    end_day: date | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Recurrence":
        """Return the recurrence in a row of `schedules`.

        Raises ValueError when the row holds what is not one.
        """
        if row["cron"] is not None:
            cron.check(row["cron"])
        return cls(
            zone=zone_of(row["timezone"]),
            interval=timedelta(seconds=row["interval_seconds"] or 0),
            cron=row["cron"],
            windows=windows.parse(row["valid_time_range"]),
            start_at=None if row["start_at"] is None else from_database(row["start_at"]),
            end_day=row["task_end_time"],
        )

    def first(self, now: datetime, ran_last: datetime | None = None) -> datetime | None:
        """Return when it runs next, seen from `now`: at once, where it may.

        None when it is over.
        """
        earliest = max(now, self.start_at or now)
        if earliest >= FAR:
            return None
        if self.cron is not None:
            after = earliest - INSTANT
            return self._next_by_cron(after if ran_last is None else max(after, ran_last))
        if ran_last is not None:
            earliest = max(earliest, self._one_on(ran_last))
        return self._unless_over(self.opening(earliest))

    def following(self, due: datetime, ran_last: datetime) -> datetime | None:
        """Return the run after the one that was due, None when it is over.

        A run that was moved to an earlier moment than cron gives stands for the one that it was:
        `ran_last` is the run before it, or the schedule's creation.
        """
        if self.cron is None:
            return self._unless_over(self.opening(self._one_on(due)))
        return self._next_by_cron(self._stands_for(due, ran_last))

    def following_past(self, due: datetime, ran_last: datetime, now: datetime) -> datetime | None:
        """Return the first run after the one that was due that lies in the future.

        It is one of those that `following` leads to, however long ago `due` is.
        """
        if self.cron is not None:
            return self._next_by_cron(max(now, self._stands_for(due, ran_last)))
        run = self.following(due, ran_last)
        while run is not None and run <= now:
            run = self.following(self._strides(run, now), run)
        return run

    def opening(self, moment: datetime) -> datetime:
        """Return the moment itself where a window is open, else when the next one opens."""
        return moment if not self.windows else max(moment, self._span(moment)[0])

    def _one_on(self, moment: datetime) -> datetime:
        if self.interval < DAY:
            return moment + self.interval
        return shown_at(reading(moment, self.zone) + self.interval, self.zone)

    def _strides(self, run: datetime, now: datetime) -> datetime:
        """Return the last run before `now` that lies in the same window, or `run` itself."""
        if self.interval >= DAY:
            return run
        until = min(now, self._span(run)[1]) if self.windows else now
        return run + max(0, (until - run - INSTANT) // self.interval) * self.interval

    def _stands_for(self, due: datetime, ran_last: datetime) -> datetime:
        if self._next_by_cron(due - INSTANT) == due:
            return due
        return max(due, self._next_by_cron(ran_last) or due)

    def _span(self, moment: datetime) -> tuple[datetime, datetime]:
        return next(open_spans(self.windows, self.zone, moment))

    def _next_by_cron(self, after: datetime) -> datetime | None:
        if self.cron is None:
            raise AssertionError("it goes by its interval")
        return self._unless_over(cron.following(self.cron, self.zone, self.windows, after))

    def _unless_over(self, moment: datetime | None) -> datetime | None:
        if moment is None or moment >= FAR:
            return None
        if self.end_day is None:
            return moment
        end = shown_at(datetime.combine(self.end_day, time()), self.zone)
        return moment if moment < end else None
