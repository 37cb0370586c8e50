"""The views that people read: what they show, and what they cost."""

from typing import Any

import pytest
from sqlalchemy import Engine

from schema import counts, dispatcher, workers
from schema.runtime.transactions import transaction
from schema.waiting import waits_for
from schema.workers import WorkerDescription
from tests.rows import WORKER, age_leases, change, claim, fail, limit, make, rows, succeed
from tests.schedule_rows import fire, let_fall_due, make_schedule

VIEWS = (
    "v_queue_depth",
    "v_running",
    "v_expiring",
    "v_waiting",
    "v_failures",
    "v_attempts",
    "v_workers",
    "v_schedules",
    "v_throughput",
)


def only(engine: Engine, query: str) -> dict[str, Any]:
    (found,) = rows(engine, query)
    return found


def enter_worker(
    engine: Engine,
    worker_id: str = WORKER,
    queues: tuple[str, ...] = ("*",),
    task_types: tuple[str, ...] = ("default",),
) -> None:
    description = WorkerDescription("here", 7, "1", queues, task_types, 10)
    with transaction(engine) as connection:
        workers.register(connection, worker_id, description)


def count(engine: Engine) -> None:
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_nothing_is_empty(engine: Engine, view: str) -> None:
    assert rows(engine, f"SELECT * FROM {view}") == []


def test_a_view_runs_with_the_rights_of_who_reads_it(engine: Engine) -> None:
    found = rows(
        engine,
        "SELECT table_name AS name, security_type AS who FROM information_schema.views"
        " WHERE table_schema = DATABASE()",
    )

    assert {each["name"]: each["who"] for each in found} == dict.fromkeys(VIEWS, "INVOKER")


def test_the_depth_of_a_queue(engine: Engine) -> None:
    make(engine, 3, queue="a")
    make(engine, queue="b")
    change(engine, make(engine, queue="a")[0], "available_at = NOW(6) - INTERVAL 60 SECOND")
    claim(engine, queues=["a"])
    limit(engine, "a", max_concurrency=4)
    count(engine)

    found = only(engine, "SELECT * FROM v_queue_depth WHERE queue = 'a'")

    assert (found["waiting"], found["in_progress"], found["max_concurrency"]) == (3, 1, 4)
    assert 0 <= found["oldest_age_seconds"] < 20


def test_what_runs_says_who_since_when_and_what_time_is_left(engine: Engine) -> None:
    enter_worker(engine)
    (task_id,) = make(engine, timeout_seconds=100, account_id="acme")
    claim(engine)

    found = only(engine, "SELECT * FROM v_running")

    assert (found["id"], found["account_id"]) == (task_id, "acme")
    assert (found["worker_id"], found["host"], found["pid"]) == (WORKER, "here", 7)
    assert 90 < found["seconds_left"] <= 100
    assert float(found["running_seconds"] + found["seconds_left"]) == pytest.approx(100, abs=0.01)


def test_what_expires_is_what_is_over_within_a_minute(engine: Engine) -> None:
    over, soon, _ = (
        *make(engine, timeout_seconds=1_000),
        *make(engine, timeout_seconds=50),
        *make(engine, timeout_seconds=70),
    )
    claim(engine, 3)
    age_leases(engine, over)

    found = rows(engine, "SELECT id, seconds_left FROM v_expiring ORDER BY seconds_left")

    assert [each["id"] for each in found] == [over, soon]
    assert found[0]["seconds_left"] < 0 < found[1]["seconds_left"]


class TestWhatWaits:
    def test_positions_are_the_order_of_the_claim(self, engine: Engine) -> None:
        enter_worker(engine)
        for priority in ("低", "高", "中"):
            make(engine, 2, priority=priority)
        make(engine, 2, queue="other")
        later = make(engine, priority="高")
        change(engine, later[0], "available_at = NOW(6) + INTERVAL 1 HOUR")
        found = rows(
            engine, "SELECT id, position FROM v_waiting WHERE queue = 'default' ORDER BY position"
        )

        claimed = [task.id for _ in range(6) for task in claim(engine, queues=["default"])]

        assert [each["position"] for each in found[:2]] == [1, 2]
        assert [each["id"] for each in found if each["id"] not in later] == claimed

    def test_a_task_that_is_not_due_stands_behind_those_that_are(self, engine: Engine) -> None:
        (first,) = make(engine, priority="高")
        change(engine, first, "available_at = NOW(6) + INTERVAL 1 HOUR")
        (second,) = make(engine, priority="低")

        found = rows(engine, "SELECT id, position FROM v_waiting")

        assert {each["id"]: each["position"] for each in found}[second] == 1

    def test_the_position_in_a_long_queue_is_not_counted(self, engine: Engine) -> None:
        ids = make(engine, 1_001)

        query = f"SELECT position FROM v_waiting WHERE id = {ids[0]}"

        assert only(engine, query) == {"position": None}
        claim(engine)
        assert only(engine, f"SELECT position FROM v_waiting WHERE id = {ids[-1]}") == {
            "position": 1_000
        }

    @pytest.mark.parametrize(
        ("queues", "task_types", "reason"),
        [
            (("*",), ("default",), "turn"),
            (("图像",), ("default",), "turn"),
            (("other", "*"), ("default",), "turn"),
            (("-other",), ("default",), "turn"),
            (("other",), ("default",), "worker_queue"),
            (("-图像",), ("default",), "worker_queue"),
            (("*", "-图像"), ("default",), "worker_queue"),
            (("*",), ("other", "说明"), "worker_type"),
        ],
    )
    def test_whether_a_worker_takes_it_is_read_from_what_workers_say(
        self, engine: Engine, queues: tuple[str, ...], task_types: tuple[str, ...], reason: str
    ) -> None:
        enter_worker(engine, queues=queues, task_types=task_types)
        (task_id,) = make(engine, queue="图像")

        assert only(engine, "SELECT reason FROM v_waiting") == {"reason": reason}
        with transaction(engine) as connection:
            assert waits_for(connection, task_id) == reason

    def test_a_worker_that_drains_takes_nothing(self, engine: Engine) -> None:
        enter_worker(engine)
        make(engine)
        with transaction(engine) as connection:
            workers.drain(connection, WORKER)

        assert only(engine, "SELECT reason FROM v_waiting") == {"reason": "worker"}

    def test_a_stopped_dispatcher_comes_first(self, engine: Engine) -> None:
        make(engine)
        try:
            with transaction(engine) as connection:
                dispatcher.set_running(connection, "moving", is_running=False)
            found = only(engine, "SELECT reason FROM v_waiting")
        finally:
            with transaction(engine) as connection:
                dispatcher.set_running(connection, None, is_running=True)

        assert found == {"reason": "dispatcher"}


def test_failures_are_grouped_by_error(engine: Engine) -> None:
    ids = make(engine, 3, task_type="mail", retry_limit=0)
    make(engine, queue="other")
    fail(engine, *claim(engine, 3, queues=["default"]))
    succeed(engine, *claim(engine, queues=["other"]))

    found = only(engine, "SELECT * FROM v_failures")

    assert (found["task_type"], found["error_class"]) == ("mail", "ValueError")
    assert (found["attempts"], found["tasks"], found["failed_tasks"]) == (3, 3, 3)
    assert (found["last_task_id"], found["message"]) == (ids[-1], "boom")


def test_failures_of_yesterday_are_gone(engine: Engine) -> None:
    make(engine)
    fail(engine, *claim(engine))
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            "UPDATE task_attempts SET ended_at = ended_at - INTERVAL 25 HOUR"
        )

    assert rows(engine, "SELECT * FROM v_failures") == []


def test_attempts_tell_how_long_they_waited_and_ran(engine: Engine) -> None:
    (task_id,) = make(engine)
    change(engine, task_id, "available_at = available_at - INTERVAL 30 SECOND")
    succeed(engine, *claim(engine))

    found = only(engine, f"SELECT * FROM v_attempts WHERE task_id = {task_id}")

    assert 30 <= found["waiting_seconds"] < 50
    assert float(found["running_seconds"]) == 0.005
    assert (found["outcome"], found["queue"]) == ("succeeded", "default")


def test_workers_tell_how_busy_and_how_silent_they_are(engine: Engine) -> None:
    enter_worker(engine)
    enter_worker(engine, "idle")
    make(engine, 2)
    claim(engine, 2)

    found = rows(engine, "SELECT id, busy, silent_seconds FROM v_workers ORDER BY busy DESC")

    assert [(each["id"], each["busy"]) for each in found] == [(WORKER, 2), ("idle", 0)]
    assert 0 <= found[0]["silent_seconds"] < 20


def test_schedules_tell_what_became_of_their_last_task(engine: Engine) -> None:
    schedule_id = make_schedule(engine, interval=60)
    let_fall_due(engine, schedule_id)
    fire(engine)

    found = only(engine, "SELECT * FROM v_schedules")

    assert (found["id"], found["last_task_status"]) == (schedule_id, "to_do")
    assert found["seconds_left"] <= 60


def test_the_throughput_is_that_of_each_minute(engine: Engine) -> None:
    make(engine, 3)
    succeed(engine, *claim(engine, 2))
    fail(engine, *claim(engine))

    found = rows(engine, "SELECT * FROM v_throughput")

    assert sum(each["ended"] for each in found) == 3
    assert (sum(each["succeeded"] for each in found), sum(each["failed"] for each in found)) == (
        2,
        1,
    )
