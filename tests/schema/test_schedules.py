"""What people do to schedules."""

import threading
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine

from schema import schedule_listing, schedules
from schema.models.schedules import ScheduleStatus
from schema.runtime.transactions import run, transaction
from schema.schedule_errors import (
    ScheduleBeyondEndError,
    ScheduleExistsError,
    ScheduleMissingError,
    ScheduleNeverRunsError,
    ScheduleStatusError,
    ScheduleTaskRunsError,
)
from schema.schedule_fields import ScheduleCreation
from schema.schedule_moves import GOALS, MOVES, ScheduleVerb, allowed_actions
from schema.templates import TemplateError
from tests.rows import claim, rows
from tests.schedule_rows import (
    SOON,
    change_schedule,
    fire,
    let_fall_due,
    make_schedule,
    now,
    schedule,
    tasks_of,
)

HOUR = timedelta(hours=1)


def edit(engine: Engine, schedule_id: int, **changes: Any) -> dict[str, Any]:
    with transaction(engine) as connection:
        schedules.edit(connection, schedule_id, changes)
    return schedule(engine, schedule_id)


def do(engine: Engine, verb: str, schedule_id: int, *arguments: Any) -> dict[str, Any]:
    with transaction(engine) as connection:
        getattr(schedules, verb)(connection, schedule_id, *arguments)
    return schedule(engine, schedule_id)


def in_status(engine: Engine, status: ScheduleStatus) -> int:
    schedule_id = make_schedule(engine, max_rounds=1)
    if status is ScheduleStatus.PAUSED:
        do(engine, "pause", schedule_id)
    if status is ScheduleStatus.COMPLETED:
        fire(engine)
    assert schedule(engine, schedule_id)["status"] == status
    return schedule_id


def columns(timezone: str = "UTC", **fields: Any) -> dict[str, Any]:
    return ScheduleCreation(**fields).columns(timezone)


class TestCreate:
    def test_a_schedule_first_runs_now(self, engine: Engine) -> None:
        row = schedule(engine, make_schedule(engine))

        assert row["status"] == "active"
        assert abs(row["next_execution_time"] - row["created_at"]) < SOON
        assert (row["round_num"], row["last_execution_time"]) == (0, None)

    def test_outside_its_window_it_first_runs_when_that_opens(self, engine: Engine) -> None:
        hour = (now(engine) + 2 * HOUR).hour
        row = schedule(engine, make_schedule(engine, valid_time_range=[hour, (hour + 1) % 24]))

        assert row["next_execution_time"].hour == hour
        assert row["next_execution_time"].minute == 0
        assert HOUR / 2 < row["next_execution_time"] - now(engine) < 2 * HOUR

    def test_the_requirement_s_defaults_are_taken(self, engine: Engine) -> None:
        creation = columns("Asia/Shanghai", name="s")

        assert (creation["interval_seconds"], creation["valid_time_range"]) == (3600, [8, 22])
        assert (creation["timezone"], creation["title"]) == ("Asia/Shanghai", "{name}")
        assert (creation["overlap"], creation["misfire"]) == ("skip", "once")
        by_cron = columns(title="t", cron="0 3 * * *", misfire="all")
        assert (by_cron["interval_seconds"], by_cron["valid_time_range"]) == (None, None)
        assert (by_cron["overlap"], by_cron["name"]) == ("queue", "t")
        assert make_schedule(engine, name="s")

    def test_times_that_never_come_are_refused(self, engine: Engine) -> None:
        for fields in (
            {"cron": "0 3 * * *", "valid_time_range": [8, 22]},
            {"task_end_time": f"{now(engine):%Y-%m-%d}"},
            {"start_at": "2031-01-01T00:00:00Z", "task_end_time": "2031-01-01"},
        ):
            with pytest.raises(ScheduleNeverRunsError):
                make_schedule(engine, **fields)
        assert rows(engine, "SELECT id FROM schedules") == []

    def test_a_title_that_no_task_can_have_is_refused(self, engine: Engine) -> None:
        with pytest.raises(TemplateError, match="title"):
            make_schedule(engine, title="{account_id}")

    def test_a_payload_that_cannot_be_stored_is_refused(self, engine: Engine) -> None:
        with pytest.raises(ValidationError, match="cannot be stored"):
            make_schedule(engine, payload=2**64)


class TestUniqueness:
    def test_an_account_has_one_live_schedule_of_a_type(self, engine: Engine) -> None:
        first = make_schedule(engine, account_id="a", task_type="t")

        with pytest.raises(ScheduleExistsError) as caught:
            make_schedule(engine, account_id="a", task_type="t")

        assert caught.value.existing_id == first
        assert make_schedule(engine, account_id="a", task_type="other")
        assert make_schedule(engine, account_id="b", task_type="t")
        assert make_schedule(engine, account_id="a", task_type="t", unique=False)

    def test_a_paused_one_is_live_and_a_completed_one_is_not(self, engine: Engine) -> None:
        first = make_schedule(engine, account_id="a", max_rounds=1)
        do(engine, "pause", first)
        with pytest.raises(ScheduleExistsError):
            make_schedule(engine, account_id="a")

        do(engine, "resume", first)
        fire(engine)
        second = make_schedule(engine, account_id="a")

        with pytest.raises(ScheduleExistsError) as caught:
            edit(engine, first, max_rounds=2)
        assert caught.value.existing_id == second

    def test_schedules_without_an_account_are_not_told_apart(self, engine: Engine) -> None:
        assert make_schedule(engine, task_type="t") != make_schedule(engine, task_type="t")

    def test_of_simultaneous_creations_one_wins(self, engine: Engine) -> None:
        new = columns(name="s", account_id="a", cron="0 3 * * *")
        barrier = threading.Barrier(10)
        answers: list[tuple[str, int]] = []

        def create() -> None:
            barrier.wait()
            try:
                answers.append(("new", run(engine, lambda c: schedules.create(c, new))))
            except ScheduleExistsError as error:
                answers.append(("existing", error.existing_id))

        threads = [threading.Thread(target=create) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(how for how, _ in answers) == ["existing"] * 9 + ["new"]
        assert len({schedule_id for _, schedule_id in answers}) == 1


class TestVerbs:
    @pytest.mark.parametrize("status", ScheduleStatus)
    @pytest.mark.parametrize("verb", [ScheduleVerb.PAUSE, ScheduleVerb.RESUME])
    def test_every_verb_in_every_status_does_what_the_table_says(
        self, engine: Engine, verb: ScheduleVerb, status: ScheduleStatus
    ) -> None:
        schedule_id = in_status(engine, status)
        before = schedule(engine, schedule_id)

        if status in MOVES[verb]:
            after = do(engine, verb, schedule_id)
            assert after["status"] == GOALS[verb]
            assert after["version"] == before["version"] + 1
            assert str(verb) in allowed_actions(status)
        elif GOALS[verb] is status:
            assert do(engine, verb, schedule_id) == before
        else:
            with pytest.raises(ScheduleStatusError):
                do(engine, verb, schedule_id)
            assert str(verb) not in allowed_actions(status)
            assert schedule(engine, schedule_id) == before

    def test_a_paused_schedule_has_no_next_run_and_does_not_fire(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)

        row = do(engine, "pause", schedule_id)

        assert row["next_execution_time"] is None
        assert fire(engine) == []

    def test_a_resumed_schedule_keeps_its_interval(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, interval=3600)
        due = schedule(engine, schedule_id)["next_execution_time"]
        fire(engine)

        do(engine, "pause", schedule_id)
        row = do(engine, "resume", schedule_id)

        assert row["next_execution_time"] == due + HOUR

    def test_a_schedule_whose_end_came_while_it_was_paused_is_completed(
        self, engine: Engine
    ) -> None:
        schedule_id = make_schedule(engine)
        do(engine, "pause", schedule_id)
        change_schedule(engine, schedule_id, "task_end_time = UTC_DATE()")

        assert do(engine, "resume", schedule_id)["status"] == "completed"

    def test_a_deleted_schedule_leaves_its_tasks(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)
        fire(engine)

        with transaction(engine) as connection:
            schedules.remove(connection, schedule_id)

        assert len(tasks_of(engine, schedule_id)) == 1
        with pytest.raises(ScheduleMissingError):
            schedule(engine, schedule_id)

    @pytest.mark.parametrize("verb", ["pause", "resume", "remove", "reorder", "edit"])
    def test_a_verb_on_no_schedule_says_so(self, engine: Engine, verb: str) -> None:
        arguments: dict[str, Any] = {"reorder": (5,), "edit": ({},)}

        with pytest.raises(ScheduleMissingError):
            do(engine, verb, 999, *arguments.get(verb, ()))


class TestReorder:
    def test_an_offset_moves_the_next_run(self, engine: Engine) -> None:
        start = (now(engine) + 5 * HOUR).replace(microsecond=0)
        schedule_id = make_schedule(engine, start_at=f"{start}Z")

        assert do(engine, "reorder", schedule_id, 600)["next_execution_time"] == start + HOUR / 6
        assert do(engine, "reorder", schedule_id, -300)["next_execution_time"] == start + HOUR / 12

    def test_it_goes_neither_before_start_at_nor_before_now(self, engine: Engine) -> None:
        start = (now(engine) + 5 * HOUR).replace(microsecond=0)
        late = make_schedule(engine, start_at=f"{start}Z")
        early = make_schedule(engine)
        change_schedule(engine, early, "next_execution_time = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR")

        assert do(engine, "reorder", late, -(10**6))["next_execution_time"] == start
        moved = do(engine, "reorder", early, -(10**6))["next_execution_time"]
        assert abs(moved - now(engine)) < SOON

    @pytest.mark.parametrize(
        ("offset", "expected"),
        [(-7200, "2031-05-05 08:00"), (7200, "2031-05-05 11:00"), (50_400, "2031-05-06 08:00")],
    )
    def test_it_stays_in_the_windows(self, engine: Engine, offset: int, expected: str) -> None:
        schedule_id = make_schedule(engine, valid_time_range=[8, 22])
        change_schedule(engine, schedule_id, "next_execution_time = '2031-05-05 09:00'")

        moved = do(engine, "reorder", schedule_id, offset)["next_execution_time"]

        assert f"{moved:%Y-%m-%d %H:%M}" == expected

    def test_it_does_not_go_beyond_the_end(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, task_end_time="2031-01-01")

        with pytest.raises(ScheduleBeyondEndError):
            do(engine, "reorder", schedule_id, 10 * 366 * 86_400)

    def test_a_run_by_cron_that_was_moved_does_not_run_twice(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, cron="0 0 1 1 *")
        new_year: datetime = schedule(engine, schedule_id)["next_execution_time"]

        do(engine, "reorder", schedule_id, -(10**9))
        fire(engine)

        row = schedule(engine, schedule_id)
        assert row["round_num"] == 1
        assert row["next_execution_time"] == new_year.replace(year=new_year.year + 1)

    def test_while_its_task_runs_it_is_refused(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)
        fire(engine)
        (claimed,) = claim(engine)

        with pytest.raises(ScheduleTaskRunsError) as caught:
            do(engine, "reorder", schedule_id, 60)

        assert caught.value.task_id == claimed.id

    def test_a_paused_one_has_no_run_to_move(self, engine: Engine) -> None:
        with pytest.raises(ScheduleStatusError):
            do(engine, "reorder", in_status(engine, ScheduleStatus.PAUSED), 60)


class TestEdit:
    def test_what_does_not_concern_its_times_leaves_the_next_run(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)
        before = schedule(engine, schedule_id)

        after = edit(engine, schedule_id, title="{date}", payload={"a": 1}, overlap="queue")

        assert after["next_execution_time"] == before["next_execution_time"]
        assert (after["title"], after["payload"]) == ("{date}", {"a": 1})
        assert after["version"] == before["version"] + 1

    def test_a_new_interval_counts_from_the_last_run(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)
        due = schedule(engine, schedule_id)["next_execution_time"]
        fire(engine)

        after = edit(engine, schedule_id, interval_seconds=60)

        assert after["next_execution_time"] == due + timedelta(seconds=60)

    def test_an_end_that_has_come_completes_it_and_a_later_one_revives_it(
        self, engine: Engine
    ) -> None:
        schedule_id = make_schedule(engine)

        ended = edit(engine, schedule_id, task_end_time=now(engine).date())
        revived = edit(engine, schedule_id, task_end_time=date(2100, 1, 1))

        assert (ended["status"], ended["next_execution_time"]) == ("completed", None)
        assert revived["status"] == "active"

    def test_more_rounds_revive_it(self, engine: Engine) -> None:
        schedule_id = in_status(engine, ScheduleStatus.COMPLETED)

        assert edit(engine, schedule_id, title="x")["status"] == "completed"
        assert edit(engine, schedule_id, max_rounds=2)["status"] == "active"
        assert edit(engine, schedule_id, max_rounds=1)["status"] == "completed"

    def test_a_paused_one_stays_paused(self, engine: Engine) -> None:
        schedule_id = in_status(engine, ScheduleStatus.PAUSED)

        after = edit(engine, schedule_id, interval_seconds=60)

        assert (after["status"], after["next_execution_time"]) == ("paused", None)

    def test_what_cannot_be_created_cannot_come_of_an_edit(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)
        before = schedule(engine, schedule_id)

        with pytest.raises(ScheduleNeverRunsError):
            edit(
                engine,
                schedule_id,
                interval_seconds=None,
                cron="0 3 * * *",
                valid_time_range=[8, 22],
            )
        with pytest.raises(TemplateError):
            edit(engine, schedule_id, title="{account_id}")

        assert schedule(engine, schedule_id) == before


class TestNextRuns:
    def runs(self, engine: Engine, schedule_id: int, limit: int = 5) -> list[str]:
        runs = schedule_listing.next_runs(schedule(engine, schedule_id), limit)
        return [f"{each:%m-%d %H:%M}" for each in runs]

    def test_they_begin_with_the_next_and_keep_to_the_windows(self, engine: Engine) -> None:
        schedule_id = make_schedule(
            engine, valid_time_range=[8, 10], start_at="2031-05-05T09:00:00Z"
        )

        assert self.runs(engine, schedule_id, 3) == ["05-05 09:00", "05-06 08:00", "05-06 09:00"]

    def test_they_end_with_the_rounds_and_with_the_last_day(self, engine: Engine) -> None:
        start = "2031-05-05T22:00:00Z"
        few = make_schedule(engine, start_at=start, max_rounds=2)
        short = make_schedule(engine, start_at=start, task_end_time="2031-05-06")

        assert self.runs(engine, few) == ["05-05 22:00", "05-05 23:00"]
        assert self.runs(engine, short) == ["05-05 22:00", "05-05 23:00"]

    def test_there_are_none_while_it_is_paused(self, engine: Engine) -> None:
        assert self.runs(engine, in_status(engine, ScheduleStatus.PAUSED)) == []

    def test_they_are_those_that_it_then_fires_at(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, cron="0 0 1 * *", misfire="all")
        change_schedule(engine, schedule_id, "next_execution_time = '2025-01-01'")
        expected = self.runs(engine, schedule_id, 4)

        fired = []
        for _ in range(4):
            fired.append(f"{schedule(engine, schedule_id)['next_execution_time']:%m-%d %H:%M}")
            fire(engine)

        assert fired == expected


def test_a_schedule_that_fell_due_is_run_before_it_is_moved(engine: Engine) -> None:
    schedule_id = make_schedule(engine)
    due = let_fall_due(engine, schedule_id)

    fire(engine)

    assert schedule(engine, schedule_id)["last_execution_time"] == due
