"""The reaper fires schedules: soon, once, and whatever is wrong with some of them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from reaper import firing
from schema import tasks
from schema.new_task import NewTask
from tests.processes import Start
from tests.schedule_rows import let_fall_due, make_schedule, now, schedule, tasks_of
from tests.waiting import wait_for


def test_a_schedule_fires_within_a_second(engine: Engine, start: Start) -> None:
    one = start("reaper")
    one.wait_for_event("reaper started")
    schedule_id = make_schedule(engine)
    due = schedule(engine, schedule_id)["next_execution_time"]

    (task,) = wait_for(lambda: tasks_of(engine, schedule_id))

    assert task["created_at"] - due < timedelta(seconds=1)
    assert one.wait_for_event("schedules fired")["count"] == 1
    assert one.stop() == 0


def test_several_reapers_fire_each_due_time_once(engine: Engine, start: Start) -> None:
    schedule_id = make_schedule(engine, misfire="all", title="{round}")
    due = let_fall_due(engine, schedule_id, seconds_ago=50.5 * 3600)
    reapers = [start("reaper") for _ in range(3)]

    wait_for(lambda: schedule(engine, schedule_id)["next_execution_time"] > now(engine))

    assert [one.stop() for one in reapers] == [0, 0, 0]
    made = [task["title"] for task in tasks_of(engine, schedule_id)]
    assert made == [str(number + 1) for number in range(51)]
    row = schedule(engine, schedule_id)
    assert row["next_execution_time"] == due + timedelta(hours=51)
    assert [line for one in reapers for line in one.log() if line["level"] != "info"] == []


class TestTrouble:
    def test_an_error_that_nobody_foresaw_stops_one_schedule_only(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, *others = [make_schedule(engine, name=name) for name in ("bad", "a", "b")]
        create = tasks.create

        def fails(connection: Connection, new: Sequence[NewTask]) -> list[int]:
            if any(task.title == "bad" for task in new):
                raise RuntimeError("unforeseen")
            return create(connection, new)

        monkeypatch.setattr(tasks, "create", fails)

        with capture_logs() as log:
            firing.fire(engine)

        assert [len(tasks_of(engine, each)) for each in (bad, *others)] == [0, 1, 1]
        assert schedule(engine, bad)["next_execution_time"] > now(engine)
        told: list[Any] = [line for line in log if line["log_level"] == "error"]
        assert [(line["schedule_id"], line["reason"]) for line in told] == [
            (bad, "RuntimeError: unforeseen")
        ]

    def test_an_error_that_will_pass_is_left_to_the_next_time(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        schedule_id = make_schedule(engine)
        monkeypatch.setattr(tasks, "create", lambda *_: _raise_deadlock())

        with pytest.raises(OperationalError):
            firing.fire(engine)

        assert schedule(engine, schedule_id)["round_num"] == 0
        monkeypatch.undo()
        firing.fire(engine)
        assert schedule(engine, schedule_id)["round_num"] == 1


def _raise_deadlock() -> None:
    raise OperationalError("INSERT", {}, Exception(1213, "Deadlock found"))
