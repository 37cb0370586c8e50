"""When schedules run: the arithmetic, against clocks that are watched minute by minute."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schema import cron, windows
from schema.recurrence import FAR, Recurrence
from schema.windows import WindowsError
from schema.zones import UnknownZoneError, zone_of

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
LEAD = timedelta(hours=4)
"""How long clocks are watched before what is asked for, to know what they have shown already."""


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def runs(recurrence: Recurrence, first: datetime, count: int) -> list[str]:
    """Return what the clocks of its zone show at so many runs, the first included."""
    shown, run = [], first
    for _ in range(count):
        shown.append(f"{run.astimezone(recurrence.zone):%m-%d %H:%M %Z}")
        run = recurrence.following(run, run) or run
    return shown


class Walk:
    """The slow truth: the clocks of a zone, watched minute by minute."""

    def __init__(self, zone: ZoneInfo, value: Any, start: datetime) -> None:
        self.zone = zone
        self.minutes = minutes_of(value)
        self.start = start

    def __iter__(self) -> Iterator["Seen"]:
        is_open, latest, before = False, datetime.min, None  # noqa: DTZ901  # as a clock shows it
        moment = self.start
        while True:
            shown = moment.astimezone(self.zone).replace(tzinfo=None, fold=0)
            arrived = shown if before is None else before + MINUTE
            new = [
                arrived + number * MINUTE
                for number in range(int((shown - arrived) / MINUTE) + 1)
                if arrived + number * MINUTE > latest
            ]
            begins = False
            if shown > latest:
                is_open = self.holds(shown)
                begins = any(self.holds(each) and not self.holds(each - MINUTE) for each in new)
            elif arrived > shown and not self.holds(arrived):
                is_open = False
            latest = max(latest, shown)
            yield Seen(moment, shown, latest, new, is_open or begins)
            before, moment = shown, moment + MINUTE

    def holds(self, shown: datetime) -> bool:
        return shown.hour * 60 + shown.minute in self.minutes


@dataclass
class Seen:
    """A minute: what the clocks show, the latest they ever showed, and what they show anew.

    The minute of a leap stands for all that was leapt over.
    """

    moment: datetime
    shown: datetime
    latest: datetime
    new: list[datetime] = field(repr=False)
    is_open: bool = True


def minutes_of(value: Any) -> set[int]:
    """Return the open minutes of the day."""
    if value is None:
        return set(range(1440))
    found = set()
    for start, end in value if isinstance(value[0], list) else [value]:
        begin, stop = clock(start), clock(end)
        found |= {minute % 1440 for minute in range(begin, stop + 1440 * (stop <= begin))}
    return found


def clock(value: Any) -> int:
    if isinstance(value, int):
        return value * 60
    hour, minute = value.split(":")
    return int(hour) * 60 + int(minute)


@cache
def changes(name: str, year: int) -> list[datetime]:
    """Return the hours after which the clocks of a zone are set in a year."""
    zone, start = zone_of(name), utc(year, 1, 1)
    hours = [start + timedelta(hours=number) for number in range(366 * 24)]
    offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
    return [hours[at] for at in range(len(hours) - 1) if offsets[at] != offsets[at + 1]] or [start]


ZONES = [
    ("UTC", 2026),
    ("Asia/Shanghai", 2026),
    ("Asia/Kathmandu", 2026),
    ("America/New_York", 2026),
    ("Europe/Berlin", 2026),
    ("Europe/Dublin", 2026),
    ("Asia/Beirut", 2026),  # leaps at midnight
    ("America/Havana", 2026),  # is set back to midnight
    ("Africa/Cairo", 2026),  # is set back at midnight
    ("America/Santiago", 2026),
    ("Australia/Lord_Howe", 2026),  # by half an hour
    ("Antarctica/Troll", 2026),  # by two hours
    ("Africa/Casablanca", 2026),  # set back in Ramadan
    ("Pacific/Apia", 2011),  # left out a day
]


@st.composite
def moments(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """Return a zone and a minute near a change of its clocks."""
    name, year = draw(st.sampled_from(ZONES))
    change = draw(st.sampled_from(changes(name, year)))
    near = st.integers(-56, 16).map(lambda number: number * 30)
    return zone_of(name), change + draw(near | st.integers(-50 * 60, 30 * 60)) * MINUTE


starts = st.sampled_from([0, 1, 2, 3, 23, "0:30", "1:30", "2:15", "2:30", "23:30"]) | st.integers(
    0, 1439
).map(lambda at: f"{at // 60}:{at % 60:02}")
pairs = (
    st.tuples(starts, starts | st.just(24))
    .map(list)
    .filter(lambda pair: clock(pair[0]) != clock(pair[1]))
)
intervals = st.sampled_from([30, 60, 120, 240, 720, 1440, 2880]) | st.integers(1, 3000)
ranges = st.none() | pairs | st.lists(pairs, min_size=2, max_size=3)


@settings(max_examples=150, deadline=None)
@given(moments(), ranges)
def test_the_first_run_is_now_or_when_a_window_opens(
    place: tuple[ZoneInfo, datetime], value: Any
) -> None:
    zone, now = place
    recurrence = Recurrence(zone=zone, windows=windows.parse(value))

    walk = Walk(zone, value, now - LEAD)
    expected = next(seen.moment for seen in walk if seen.moment >= now and seen.is_open)

    assert recurrence.first(now) == expected


@settings(max_examples=150, deadline=None)
@given(moments(), ranges, intervals)
def test_the_next_run_is_an_interval_later_or_when_a_window_opens(
    place: tuple[ZoneInfo, datetime], value: Any, interval: int
) -> None:
    zone, now = place
    recurrence = Recurrence(zone=zone, windows=windows.parse(value), interval=interval * MINUTE)
    due = recurrence.opening(now)

    wall = due.astimezone(zone).replace(tzinfo=None) + interval * MINUTE
    walk = Walk(zone, value, due - LEAD)
    expected = next(
        seen.moment
        for seen in walk
        if seen.moment > due
        and seen.is_open
        and (seen.latest >= wall if interval >= 1440 else seen.moment >= due + interval * MINUTE)
    )

    assert recurrence.following(due, due) == expected


expressions = st.tuples(
    st.sampled_from([{0}, {30}, {0, 30}]) | st.sets(st.integers(0, 59), min_size=1, max_size=3),
    st.sampled_from([set(range(24)), {0}, {1}, {2}, {23, 0}])
    | st.sets(st.integers(0, 23), min_size=1, max_size=4),
    st.just(set(range(7))) | st.sets(st.integers(0, 6), min_size=1, max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(moments(), ranges, expressions)
def test_cron_runs_when_the_clocks_come_to_its_times(
    place: tuple[ZoneInfo, datetime], value: Any, times: tuple[set[int], ...]
) -> None:
    zone, now = place
    minutes, hours, days = times
    fields = [",".join(str(each) for each in sorted(chosen)) for chosen in times]
    expression = f"{fields[0]} {fields[1]} * * {fields[2]}"

    def matches(shown: datetime) -> bool:
        return shown.minute in minutes and shown.hour in hours and (shown.weekday() + 1) % 7 in days

    walk = Walk(zone, value, now - LEAD)
    every_hour = len(hours) == 24
    # An hour that is set back by its half has some minutes twice: neither is more right.
    assume(not (every_hour and zone.key == "Australia/Lord_Howe"))
    # Without a time in a window it never runs, not even where the clocks leap over a whole day.
    assume(not walk.minutes.isdisjoint(hour * 60 + minute for hour in hours for minute in minutes))
    expected = None
    for seen in walk:
        anew = any(matches(each) and walk.holds(each) for each in seen.new)
        if seen.moment > now and (seen.is_open and matches(seen.shown) if every_hour else anew):
            expected = seen.moment
            break
        if seen.moment > now + 9 * DAY:
            break

    found = cron.following(expression, zone, windows.parse(value), now)

    assert found == expected or (expected is None and (found is None or found > now + 9 * DAY))


@settings(max_examples=150, deadline=None)
@given(moments(), ranges, intervals, st.integers(0, 10 * 1440))
def test_after_an_outage_the_runs_are_those_that_would_have_been(
    place: tuple[ZoneInfo, datetime], value: Any, interval: int, outage: int
) -> None:
    zone, now = place
    recurrence = Recurrence(zone=zone, windows=windows.parse(value), interval=interval * MINUTE)
    due = recurrence.opening(now)
    back = due + outage * MINUTE

    expected = recurrence.following(due, due)
    while expected is not None and expected <= back:
        expected = recurrence.following(expected, expected)

    assert recurrence.following_past(due, due, back) == expected


@settings(max_examples=150, deadline=None)
@given(moments(), ranges, st.integers(-1, 3))
def test_nothing_runs_from_the_start_of_the_last_day_on(
    place: tuple[ZoneInfo, datetime], value: Any, days: int
) -> None:
    zone, now = place
    end_day = now.astimezone(zone).date() + days * DAY
    endless = Recurrence(zone=zone, windows=windows.parse(value))
    recurrence = Recurrence(zone=zone, windows=windows.parse(value), end_day=end_day)

    run = endless.first(now)
    while run is not None and (found := recurrence.first(run)) is not None:
        assert found == run
        assert found.astimezone(zone).date() < end_day
        run = endless.following(run, run)

    assert run is not None
    assert run.astimezone(zone).date() >= end_day


NEW_YORK = zone_of("America/New_York")


class TestDaylightSaving:
    def test_a_time_that_the_clocks_leap_over_runs_at_the_leap(self) -> None:
        daily = Recurrence(zone=NEW_YORK, cron="30 2 * * *")

        assert runs(daily, utc(2026, 3, 7, 7, 30), 3) == [
            "03-07 02:30 EST",
            "03-08 03:00 EDT",
            "03-09 02:30 EDT",
        ]

    def test_a_time_that_the_clocks_show_twice_runs_the_first_time(self) -> None:
        daily = Recurrence(zone=NEW_YORK, cron="30 1 * * *")

        assert runs(daily, utc(2026, 10, 31, 5, 30), 3) == [
            "10-31 01:30 EDT",
            "11-01 01:30 EDT",
            "11-02 01:30 EST",
        ]

    def test_a_schedule_for_every_hour_goes_on_as_time_does(self) -> None:
        hourly = Recurrence(zone=NEW_YORK, cron="30 * * * *")

        assert runs(hourly, utc(2026, 11, 1, 4, 30), 4) == [
            "11-01 00:30 EDT",
            "11-01 01:30 EDT",
            "11-01 01:30 EST",
            "11-01 02:30 EST",
        ]
        assert runs(hourly, utc(2026, 3, 8, 6, 30), 2) == ["03-08 01:30 EST", "03-08 03:30 EDT"]

    def test_seconds_in_an_expression_change_nothing(self) -> None:
        daily = Recurrence(zone=NEW_YORK, cron="15 30 2 * * *")

        assert daily.following(utc(2026, 3, 7, 7, 30, 15), utc(2026, 3, 1)) == utc(2026, 3, 8, 7)

    @pytest.mark.parametrize("hour", range(24))
    def test_an_interval_of_a_day_skips_no_day_and_has_none_twice(self, hour: int) -> None:
        daily = Recurrence(zone=NEW_YORK, interval=DAY)
        for start in (utc(2026, 3, 5, hour), utc(2026, 10, 29, hour)):
            days = [shown[:5] for shown in runs(daily, start, 6)]
            assert len(set(days)) == 6
            first = start.astimezone(NEW_YORK).date()
            assert days == [f"{first + number * DAY:%m-%d}" for number in range(6)]

    def test_a_window_that_the_clocks_leap_over_opens_for_a_moment(self) -> None:
        nightly = Recurrence(zone=NEW_YORK, windows=windows.parse([2, 3]))

        assert runs(nightly, utc(2026, 3, 7, 7), 3) == [
            "03-07 02:00 EST",
            "03-08 03:00 EDT",
            "03-09 02:00 EDT",
        ]

    def test_a_window_that_the_clocks_show_twice_opens_once(self) -> None:
        nightly = Recurrence(zone=NEW_YORK, windows=windows.parse([1, 2]))

        assert runs(nightly, utc(2026, 10, 31, 5), 3) == [
            "10-31 01:00 EDT",
            "11-01 01:00 EDT",
            "11-02 01:00 EST",
        ]


class TestWindows:
    @pytest.mark.parametrize(
        ("value", "spans"),
        [
            (None, []),
            ([8, 22], [(480, 840)]),
            ([22, 6], [(1320, 480)]),
            ([22, 0], [(1320, 120)]),
            ([22, 24], [(1320, 120)]),
            (["08:30", "9:05"], [(510, 35)]),
            (["00:00", "24:00"], []),
            ([0, 24], []),
            ([[14, 18], [8, 12]], [(480, 240), (840, 240)]),
            ([[8, 12], [11, 18]], [(480, 600)]),
            ([[22, 24], [0, 6]], [(1320, 480)]),
            ([[12, 24], [0, 12]], []),
        ],
    )
    def test_windows_are_put_together(self, value: Any, spans: list[tuple[int, int]]) -> None:
        assert [(window.start, window.length) for window in windows.parse(value)] == spans

    @pytest.mark.parametrize(
        "value",
        [[], [8], [8, 8], [0, 0], [24, 3], [8, 25], [-1, 5], [8.0, 9], [True, 9], "8-22", 8, {},
         ["8", "9"], ["8:60", 9], ["24:01", 9], ["٨:٠٠", 9], [[8, 9], 10], [[]], [[8, 9]] * 25],
    )  # fmt: skip
    def test_what_is_no_window_is_refused(self, value: Any) -> None:
        with pytest.raises(WindowsError):
            windows.parse(value)

    def test_an_end_is_not_in_its_window(self) -> None:
        by_day = Recurrence(zone=zone_of("UTC"), windows=windows.parse([8, 22]))

        assert by_day.first(utc(2026, 5, 5, 21, 59, 59)) == utc(2026, 5, 5, 21, 59, 59)
        assert by_day.first(utc(2026, 5, 5, 22)) == utc(2026, 5, 6, 8)
        assert by_day.following(utc(2026, 5, 5, 21), utc(2026, 5, 5)) == utc(2026, 5, 6, 8)


class TestCron:
    @pytest.mark.parametrize(
        "expression",
        ["", "* * * *", "60 * * * *", "* 24 * * *", "@daily", "0 0 30 2 *", "a * * * *"],
    )
    def test_what_is_no_expression_is_refused(self, expression: str) -> None:
        with pytest.raises(cron.CronError):
            cron.check(expression)

    @pytest.mark.parametrize(
        ("expression", "value"),
        [("0 3 * * *", [8, 22]), ("30 * * * *", ["8:00", "8:10"]), ("0 12 * * *", [0, 12])],
    )
    def test_what_never_comes_is_none(self, expression: str, value: Any) -> None:
        never = Recurrence(zone=NEW_YORK, cron=expression, windows=windows.parse(value))

        assert never.first(utc(2026, 1, 1)) is None

    def test_a_time_at_the_opening_of_a_window_lies_in_it(self) -> None:
        twice = Recurrence(
            zone=zone_of("UTC"), cron="0 3,8 * * *", windows=windows.parse([[8, 9], [14, 18]])
        )

        assert twice.first(utc(2026, 5, 5, 1)) == utc(2026, 5, 5, 8)

    def test_a_day_that_comes_once_in_many_years_is_found(self) -> None:
        rare = Recurrence(zone=NEW_YORK, cron="0 0 29 2 */7", windows=windows.parse([0, 1]))

        assert rare.first(utc(2026, 1, 1)) == utc(2032, 2, 29, 5)

    def test_a_run_that_was_moved_stands_for_the_one_that_it_was(self) -> None:
        hourly = Recurrence(zone=NEW_YORK, cron="0 * * * *")
        before = utc(2026, 5, 5, 9)

        assert hourly.following(utc(2026, 5, 5, 9, 30), before) == utc(2026, 5, 5, 11)
        assert hourly.following(utc(2026, 5, 5, 10, 30), before) == utc(2026, 5, 5, 11)
        assert hourly.following_past(utc(2026, 5, 5, 9, 30), before, utc(2026, 5, 5, 9, 31)) == utc(
            2026, 5, 5, 11
        )


class TestStart:
    def test_nothing_runs_before_start_at(self) -> None:
        start = utc(2026, 5, 5, 23)
        by_day = Recurrence(zone=zone_of("UTC"), windows=windows.parse([8, 22]), start_at=start)
        hourly = Recurrence(zone=zone_of("UTC"), cron="0 * * * *", start_at=start)

        assert by_day.first(utc(2026, 1, 1)) == utc(2026, 5, 6, 8)
        assert hourly.first(utc(2026, 1, 1)) == start

    def test_after_a_pause_the_interval_is_kept(self) -> None:
        hourly = Recurrence(zone=zone_of("UTC"))
        ran = utc(2026, 5, 5, 10)

        assert hourly.first(utc(2026, 5, 5, 10, 20), ran) == utc(2026, 5, 5, 11)
        assert hourly.first(utc(2026, 5, 5, 12, 20), ran) == utc(2026, 5, 5, 12, 20)

    def test_cron_does_not_run_again_in_the_second_in_which_it_ran(self) -> None:
        hourly = Recurrence(zone=zone_of("UTC"), cron="0 * * * *")
        ran = utc(2026, 5, 5, 10)

        assert hourly.first(ran) == ran
        assert hourly.first(ran, ran) == utc(2026, 5, 5, 11)

    @pytest.mark.parametrize("expression", [None, "0 0 1 1 *"])
    def test_the_end_of_time_is_the_end(self, expression: str | None) -> None:
        late = Recurrence(
            zone=NEW_YORK,
            cron=expression,
            interval=timedelta(days=3650),
            windows=windows.parse([8, 22]) if expression is None else (),
            start_at=utc(9999, 12, 31, 23, 59),
        )

        assert late.first(utc(2026, 1, 1)) is None
        assert late.following(FAR - MINUTE, utc(2026, 1, 1)) is None


@pytest.mark.parametrize("name", ["", "CEST", "asia/shanghai", "../etc/passwd", "Asia", "Asia/"])
def test_a_zone_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(UnknownZoneError, match="there is no time zone"):
        zone_of(name)


def test_a_row_is_read_as_the_database_has_it() -> None:
    row = {
        "interval_seconds": 60,
        "cron": None,
        "timezone": "Asia/Shanghai",
        "valid_time_range": [8, 22],
        "start_at": datetime(2026, 1, 1, 12),  # noqa: DTZ001
        "task_end_time": date(2026, 2, 8),
    }

    assert Recurrence.of(row) == Recurrence(
        zone=zone_of("Asia/Shanghai"),
        interval=MINUTE,
        windows=windows.parse([8, 22]),
        start_at=utc(2026, 1, 1, 12),
        end_day=date(2026, 2, 8),
    )
