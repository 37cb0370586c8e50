"""Schedules fire once for each due time, whoever fires."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine

from schema import firing, schedules, verbs
from schema.firing import MISFIRE_GRACE, Fired, FiredTwiceError
from schema.models.schedules import DUE_INDEX
from schema.runtime.transactions import run, transaction
from schema.schedule_errors import ScheduleBrokenError, ScheduleMissingError, ScheduleStatusError
from schema.statements import DUE_SCHEDULES
from schema.states import Verb
from schema.verbs import Order
from tests.rows import claim, fail, rows, succeed, wait_until_blocked
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


def due_ids(connection: Connection) -> list[int]:
    return firing.due(connection, limit=100)


def titles(engine: Engine, schedule_id: int) -> list[str]:
    return [task["title"] for task in tasks_of(engine, schedule_id)]


class TestFiring:
    def test_a_due_schedule_makes_a_task_of_its_template(self, engine: Engine) -> None:
        schedule_id = make_schedule(
            engine,
            description="long",
            task_type="t",
            queue="q",
            priority="high",
            payload={"a": [1]},
            tags=["y", "x"],
            timeout_seconds=5,
            retry_limit=0,
            account_id="客",
        )

        (fired,) = fire(engine)

        (task,) = tasks_of(engine, schedule_id)
        assert fired == Fired(schedule_id, task["id"])
        assert (task["title"], task["description"]) == ("a schedule", "long")
        assert (task["task_type"], task["queue"], task["priority"]) == ("t", "q", "高")
        assert (task["timeout_seconds"], task["retry_limit"]) == (5, 0)
        assert (task["account_id"], task["status"]) == ("客", "to_do")
        (claimed,) = claim(engine)
        assert claimed.tags == ("x", "y")
        assert claimed.payload in {'{"a": [1]}', '{"a":[1]}'}

    def test_the_next_run_is_an_interval_after_the_due_time(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)
        due = let_fall_due(engine, schedule_id, seconds_ago=1.5)

        fire(engine)

        row = schedule(engine, schedule_id)
        assert row["last_execution_time"] == due
        assert row["next_execution_time"] == due + HOUR
        assert row["round_num"] == 1
        assert row["last_task_id"] == tasks_of(engine, schedule_id)[0]["id"]

    def test_one_that_is_not_due_does_not_fire(self, engine: Engine) -> None:
        make_schedule(engine, start_at="2100-01-01T00:00:00Z")

        assert fire(engine) == []

    def test_a_title_is_filled_in(self, engine: Engine) -> None:
        schedule_id = make_schedule(
            engine,
            name="日报",
            title="{name} of {account_id}: {round}, {date} {time} }{",
            account_id="a{b}",
            timezone="Asia/Kathmandu",
        )
        due = let_fall_due(engine, schedule_id)
        fire(engine)

        shown = due + timedelta(hours=5, minutes=45)
        assert titles(engine, schedule_id) == [f"日报 of a{{b}}: 1, {shown:%Y-%m-%d %H:%M} }}{{"]

    def test_a_title_that_becomes_too_long_is_cut(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, name="x" * 255, title="{name}{name}")

        fire(engine)

        assert titles(engine, schedule_id) == ["x" * 255]

    def test_it_is_completed_with_its_last_round(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, max_rounds=2, overlap="queue")

        for _ in range(3):
            fire(engine)
            if schedule(engine, schedule_id)["status"] == "active":
                let_fall_due(engine, schedule_id)

        row = schedule(engine, schedule_id)
        assert (row["status"], row["round_num"], row["next_execution_time"]) == (
            "completed",
            2,
            None,
        )
        assert len(tasks_of(engine, schedule_id)) == 2

    def test_it_is_completed_when_its_next_run_would_be_on_its_last_day(
        self, engine: Engine
    ) -> None:
        tomorrow = now(engine).date() + timedelta(days=1)
        schedule_id = make_schedule(engine, interval=90_000, task_end_time=f"{tomorrow}")

        fire(engine)

        row = schedule(engine, schedule_id)
        assert (row["status"], row["round_num"]) == ("completed", 1)

    def test_a_failed_run_does_not_stop_it(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, retry_limit=0)
        fire(engine)
        fail(engine, *claim(engine))

        let_fall_due(engine, schedule_id)
        fire(engine)

        assert [task["status"] for task in tasks_of(engine, schedule_id)] == ["failed", "to_do"]

    def test_what_is_due_is_found_by_its_index(self, engine: Engine) -> None:
        for _ in range(20):
            make_schedule(engine, start_at="2100-01-01T00:00:00Z")
        with engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE TABLE schedules").all()
            explain = f"EXPLAIN FORMAT=TRADITIONAL {DUE_SCHEDULES}"
            (step,) = connection.exec_driver_sql(explain, (100,)).mappings().all()

        assert (step["key"], step["type"]) == (DUE_INDEX, "range")
        assert "filesort" not in (step["Extra"] or "")


class TestOverlap:
    def unfinished(self, engine: Engine, overlap: str, *, running: bool = False) -> int:
        """Return a schedule that is due while its task is not finished."""
        schedule_id = make_schedule(engine, overlap=overlap)
        fire(engine)
        if running:
            claim(engine)
        let_fall_due(engine, schedule_id)
        return schedule_id

    def test_skip_waits_for_the_task_to_finish(self, engine: Engine) -> None:
        schedule_id = self.unfinished(engine, "skip", running=True)
        before = schedule(engine, schedule_id)

        assert fire(engine) == [Fired(schedule_id)]

        after = schedule(engine, schedule_id)
        assert len(tasks_of(engine, schedule_id)) == 1
        assert after["next_execution_time"] == before["next_execution_time"] + HOUR
        assert (after["round_num"], after["last_execution_time"]) == (
            before["round_num"],
            before["last_execution_time"],
        )

    def test_skip_runs_when_the_task_has_finished_or_is_gone(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, overlap="skip")
        fire(engine)
        succeed(engine, *claim(engine))
        let_fall_due(engine, schedule_id)
        fire(engine)
        with transaction(engine) as connection:
            connection.exec_driver_sql("DELETE FROM tasks")
        let_fall_due(engine, schedule_id)

        assert fire(engine)[0].task_id is not None
        assert schedule(engine, schedule_id)["round_num"] == 3

    def test_queue_makes_another(self, engine: Engine) -> None:
        schedule_id = self.unfinished(engine, "queue")

        fire(engine)

        assert [task["status"] for task in tasks_of(engine, schedule_id)] == ["to_do", "to_do"]

    def test_replace_cancels_a_task_that_waits(self, engine: Engine) -> None:
        schedule_id = self.unfinished(engine, "replace")

        fire(engine)

        statuses = [task["status"] for task in tasks_of(engine, schedule_id)]
        assert statuses == ["cancelled", "to_do"]

    def test_replace_has_a_task_that_runs_stopped(self, engine: Engine) -> None:
        schedule_id = self.unfinished(engine, "replace", running=True)

        fire(engine)

        old, new = tasks_of(engine, schedule_id)
        assert (old["status"], new["status"]) == ("in_progress", "to_do")
        assert old["stop_requested_at"] is not None
        (event,) = rows(engine, "SELECT * FROM task_events")
        assert (event["task_id"], event["actor"], event["verb"]) == (old["id"], "schedule", "stop")

    def test_replace_leaves_a_task_that_somebody_paused(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, overlap="replace")
        fire(engine)
        (task,) = tasks_of(engine, schedule_id)
        run(engine, lambda c: verbs.apply(c, Order(Verb.PAUSE, "somebody"), [task["id"]]))
        let_fall_due(engine, schedule_id)

        fire(engine)

        statuses = [each["status"] for each in tasks_of(engine, schedule_id)]
        assert statuses == ["paused", "to_do"]

    def test_a_task_that_was_retried_is_not_finished(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)
        fire(engine)
        fail(engine, *claim(engine))
        let_fall_due(engine, schedule_id)

        assert fire(engine) == [Fired(schedule_id)]


class TestMisfire:
    def test_once_runs_once_and_goes_on_in_its_rhythm(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, misfire="once")
        due = let_fall_due(engine, schedule_id, seconds_ago=3.5 * 3600)

        fire(engine)

        row = schedule(engine, schedule_id)
        assert fire(engine) == []
        assert len(tasks_of(engine, schedule_id)) == 1
        assert row["next_execution_time"] == due + 4 * HOUR
        assert abs(row["last_execution_time"] - now(engine)) < SOON

    def test_all_runs_every_one_of_them(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, misfire="all", title="{round}: {time}")
        due = let_fall_due(engine, schedule_id, seconds_ago=3.5 * 3600)

        while fire(engine):
            pass

        assert titles(engine, schedule_id) == [
            f"{number + 1}: {due + number * HOUR:%H:%M}" for number in range(4)
        ]
        assert schedule(engine, schedule_id)["next_execution_time"] == due + 4 * HOUR

    def test_skip_runs_none_of_them(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, misfire="skip")
        due = let_fall_due(engine, schedule_id, seconds_ago=3.5 * 3600)

        assert fire(engine) == [Fired(schedule_id)]

        row = schedule(engine, schedule_id)
        assert (row["round_num"], row["next_execution_time"]) == (0, due + 4 * HOUR)

    def test_a_run_that_is_a_little_late_is_none_of_them(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, misfire="skip")
        let_fall_due(engine, schedule_id, seconds_ago=MISFIRE_GRACE.total_seconds() - 2)

        fire(engine)

        assert schedule(engine, schedule_id)["round_num"] == 1


class TestTrouble:
    def test_a_template_that_makes_no_task_passes_its_run_over(self, engine: Engine) -> None:
        broken, sound = make_schedule(engine), make_schedule(engine)
        change_schedule(engine, broken, "title = '{unknown}'")

        fired = {each.schedule_id: each for each in fire(engine)}

        assert fired[sound].task_id is not None
        assert fired[broken].task_id is None
        assert "unknown" in str(fired[broken].trouble)
        row = schedule(engine, broken)
        assert (row["status"], row["round_num"]) == ("active", 0)
        assert row["next_execution_time"] > now(engine)

    @pytest.mark.parametrize(
        "assignments",
        [
            "timezone = 'Mars/Olympus'",
            "valid_time_range = '[1]'",
            "interval_seconds = NULL, cron = '*'",
        ],
    )
    def test_one_whose_times_cannot_be_read_is_paused(
        self, engine: Engine, assignments: str
    ) -> None:
        broken, sound = make_schedule(engine), make_schedule(engine)
        change_schedule(engine, broken, assignments)

        fired = {each.schedule_id: each for each in fire(engine)}

        assert fired[sound].task_id is not None
        assert str(fired[broken].trouble).endswith("it is paused")
        assert schedule(engine, broken)["status"] == "paused"
        assert fire(engine) == []

    @pytest.mark.parametrize(
        "assignments",
        ["tags = '[\"a \"]'", "queue = '-'", "task_type = ''", "description = REPEAT('x', 20000)"],
    )
    def test_no_field_of_a_template_is_trusted(self, engine: Engine, assignments: str) -> None:
        schedule_id = make_schedule(engine)
        change_schedule(engine, schedule_id, assignments)

        (fired,) = fire(engine)

        assert fired.trouble is not None
        assert tasks_of(engine, schedule_id) == []

    def test_one_can_be_passed_over(self, engine: Engine) -> None:
        schedule_id, other = make_schedule(engine), make_schedule(engine)

        with transaction(engine) as connection:
            assert firing.pass_over(connection, schedule_id, "because") == [
                Fired(schedule_id, None, "because")
            ]

        assert [each.schedule_id for each in fire(engine)] == [other]


class TestOnce:
    def test_a_second_reaper_leaves_alone_what_a_first_one_is_at(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)
        with engine.connect() as first, engine.connect() as second:
            ids = due_ids(second)
            assert len(firing.fire(first, ids)) == 1
            assert firing.fire(second, ids) == []
            first.commit()
            assert firing.fire(second, ids) == []
            second.commit()

        assert len(tasks_of(engine, schedule_id)) == 1

    def test_what_was_not_committed_is_fired_by_another(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)
        with engine.connect() as first:
            firing.fire(first, [schedule_id])
            first.rollback()

        assert len(fire(engine)) == 1
        assert len(tasks_of(engine, schedule_id)) == 1

    def test_a_server_that_does_not_keep_its_locks_makes_no_second_task(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        schedule_id = make_schedule(engine)
        with engine.connect() as connection:
            stale = firing._lock(connection, [schedule_id])
        fire(engine)
        monkeypatch.setattr(firing, "_lock", lambda *_: stale)

        with engine.connect() as connection, pytest.raises(FiredTwiceError):
            firing.fire(connection, [schedule_id])

        assert len(tasks_of(engine, schedule_id)) == 1

    def test_reapers_that_race_fire_each_due_time_once(self, engine: Engine) -> None:
        ids = [make_schedule(engine, misfire="all") for _ in range(20)]
        for schedule_id in ids:
            change_schedule(engine, schedule_id, "overlap = 'queue'")
            let_fall_due(engine, schedule_id, seconds_ago=3.5 * 3600)
        barrier = threading.Barrier(4)

        def reap() -> None:
            barrier.wait()
            while found := run(engine, due_ids):
                run(engine, lambda connection: firing.fire(connection, found))

        reapers = [threading.Thread(target=reap) for _ in range(4)]
        for reaper in reapers:
            reaper.start()
        for reaper in reapers:
            reaper.join()

        assert {schedule_id: len(tasks_of(engine, schedule_id)) for schedule_id in ids} == (
            dict.fromkeys(ids, 4)
        )
        assert {schedule(engine, schedule_id)["round_num"] for schedule_id in ids} == {4}

    def test_a_pause_waits_for_the_firing_under_way(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)

        def pause() -> None:
            run(engine, lambda connection: schedules.pause(connection, schedule_id))

        pausing = threading.Thread(target=pause)
        with engine.connect() as first:
            firing.fire(first, [schedule_id])
            pausing.start()
            wait_until_blocked(engine)
            first.commit()
        pausing.join()

        row = schedule(engine, schedule_id)
        assert (row["status"], row["round_num"]) == ("paused", 1)


class TestRunNow:
    def run_now(self, engine: Engine, schedule_id: int) -> int:
        with transaction(engine) as connection:
            return firing.run_now(connection, schedule_id)

    def test_it_makes_a_task_and_leaves_the_next_run(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, start_at="2100-01-01T00:00:00Z", title="{round}")
        before = schedule(engine, schedule_id)

        task_id = self.run_now(engine, schedule_id)

        after = schedule(engine, schedule_id)
        assert [task["id"] for task in tasks_of(engine, schedule_id)] == [task_id]
        assert titles(engine, schedule_id) == ["1"]
        assert after["next_execution_time"] == before["next_execution_time"]
        assert (after["round_num"], after["last_task_id"]) == (1, task_id)
        assert abs(after["last_execution_time"] - now(engine)) < SOON

    def test_a_paused_one_runs_and_stays_paused(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)
        with transaction(engine) as connection:
            schedules.pause(connection, schedule_id)

        self.run_now(engine, schedule_id)

        row = schedule(engine, schedule_id)
        assert (row["status"], row["round_num"]) == ("paused", 1)

    def test_its_task_holds_up_the_next_run(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)
        self.run_now(engine, schedule_id)

        assert fire(engine) == [Fired(schedule_id)]

    def test_it_replaces_where_the_schedule_does(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, overlap="replace")
        fire(engine)

        self.run_now(engine, schedule_id)

        statuses = [task["status"] for task in tasks_of(engine, schedule_id)]
        assert statuses == ["cancelled", "to_do"]

    def test_the_last_round_completes_it_and_there_is_none_after_that(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine, max_rounds=1)

        self.run_now(engine, schedule_id)

        assert schedule(engine, schedule_id)["status"] == "completed"
        with pytest.raises(ScheduleStatusError):
            self.run_now(engine, schedule_id)

    def test_a_template_that_makes_no_task_says_so(self, engine: Engine) -> None:
        schedule_id = make_schedule(engine)
        change_schedule(engine, schedule_id, "title = '{x}'")

        with pytest.raises(ScheduleBrokenError, match="x"):
            self.run_now(engine, schedule_id)
        with pytest.raises(ScheduleMissingError):
            self.run_now(engine, 999)
