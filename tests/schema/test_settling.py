"""Settling: every end of an attempt, and every way to be refused."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from schema import queues
from schema.attempts import (
    Failed,
    Failure,
    Held,
    Outcome,
    QueuePaused,
    Released,
    Snoozed,
    Succeeded,
    timed_out,
)
from schema.endings import Backoff
from schema.new_task import NewTask
from schema.runtime.transactions import transaction
from schema.settling import settle
from schema.states import AttemptOutcome
from tests.rows import (
    age_leases,
    attempts,
    change,
    claim,
    end,
    ended,
    fail,
    make,
    remove,
    row,
    rows,
    succeed,
    sweep,
    wait_until_blocked,
)

BOOM = Failure("ValueError", "boom", "Traceback ...")


def test_success_makes_a_task_done(engine: Engine) -> None:
    (task_id,) = make(engine)
    (claimed,) = claim(engine)

    lost = end(engine, ended(claimed, Succeeded('{"answer": 42}')))

    found = row(engine, task_id)
    assert lost == []
    assert found["status"] == "done"
    assert found["completed_at"] == found["finished_at"]
    assert found["completed_at"] is not None
    assert found["worker_id"] is found["lease_expires_at"] is None
    assert found["version"] == 3


def test_an_attempt_is_recorded_with_its_times_and_result(engine: Engine) -> None:
    (task_id,) = make(engine)
    (claimed,) = claim(engine)
    end(engine, ended(claimed, Succeeded('{"answer": 42}')))

    (attempt,) = attempts(engine, task_id)

    assert (attempt["fence"], attempt["attempt"], attempt["outcome"]) == (1, 1, "succeeded")
    assert attempt["started_at"] == claimed.started_at
    assert attempt["available_at"] == claimed.available_at
    assert attempt["ended_at"] - attempt["started_at"] == timedelta(milliseconds=5)
    assert attempt["result"].replace(" ", "") == '{"answer":42}'
    assert attempt["error_class"] is attempt["message"] is attempt["traceback"] is None


def test_a_failure_is_retried_while_a_retry_is_left(engine: Engine) -> None:
    (task_id,) = make(engine, retry_limit=1)
    fail(engine, *claim(engine))
    once = row(engine, task_id)
    fail(engine, *claim(engine))
    twice = row(engine, task_id)

    assert (once["status"], once["current_retry_count"]) == ("retrying", 1)
    assert (once["last_error"], once["error_class"]) == ("boom", "ValueError")
    assert once["finished_at"] is None
    assert (twice["status"], twice["current_retry_count"]) == ("failed", 1)
    assert twice["finished_at"] is not None
    assert [found["attempt"] for found in attempts(engine, task_id)] == [1, 2]


def test_without_retries_the_first_failure_is_the_last(engine: Engine) -> None:
    (task_id,) = make(engine, retry_limit=0)

    fail(engine, *claim(engine))

    assert (row(engine, task_id)["status"], row(engine, task_id)["current_retry_count"]) == (
        "failed",
        0,
    )


def test_a_failure_for_good_uses_no_retry(engine: Engine) -> None:
    (task_id,) = make(engine, retry_limit=5)

    fail(engine, *claim(engine), for_good=True)

    assert (row(engine, task_id)["status"], row(engine, task_id)["current_retry_count"]) == (
        "failed",
        0,
    )


@pytest.mark.parametrize("retries", [0, 3, 100])
def test_the_backoff_grows_with_the_retries_up_to_its_cap(engine: Engine, retries: int) -> None:
    ids = make(engine, 50, retry_limit=100)
    for task_id in ids:
        change(
            engine,
            task_id,
            f"current_retry_count = {retries}, status = IF({retries}, 'retrying', 'to_do'),"
            " retry_limit = 100",
        )
    claimed = claim(engine, 50)
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE tasks SET retry_limit = 100, current_retry_count = 99")
        connection.exec_driver_sql(f"UPDATE tasks SET current_retry_count = LEAST({retries}, 99)")
        before = connection.exec_driver_sql("SELECT UTC_TIMESTAMP(6)").scalar_one()

    end(engine, *(ended(task, Failed(BOOM)) for task in claimed), backoff=Backoff(2, 20))

    waits = [
        (found["available_at"] - before).total_seconds()
        for found in rows(engine, "SELECT available_at FROM tasks")
    ]
    longest = min(2 * 2**retries, 20)
    assert all(0 <= wait <= longest + 1 for wait in waits)
    assert max(waits) > longest * 0.5
    assert min(waits) < longest * 0.5


def test_a_snooze_counts_no_retry(engine: Engine) -> None:
    (task_id,) = make(engine, retry_limit=0)
    (claimed,) = claim(engine)

    end(engine, ended(claimed, Snoozed(90)))

    found = row(engine, task_id)
    assert (found["status"], found["current_retry_count"]) == ("to_do", 0)
    assert found["snooze_count"] == 1
    assert found["available_at"] - claimed.started_at > timedelta(seconds=89)
    assert attempts(engine, task_id)[0]["outcome"] == "snoozed"


def test_a_task_that_retried_waits_as_retrying_after_a_snooze(engine: Engine) -> None:
    (task_id,) = make(engine)
    fail(engine, *claim(engine))
    (claimed,) = claim(engine)

    end(engine, ended(claimed, Snoozed(0)))

    assert (row(engine, task_id)["status"], row(engine, task_id)["current_retry_count"]) == (
        "retrying",
        1,
    )


def test_a_released_task_keeps_its_place_and_counts_nothing(engine: Engine) -> None:
    (task_id,) = make(engine)
    before = row(engine, task_id)
    (claimed,) = claim(engine)

    end(engine, ended(claimed, Released()))

    after = row(engine, task_id)
    assert (after["status"], after["current_retry_count"]) == ("to_do", 0)
    assert after["available_at"] == before["available_at"]
    assert attempts(engine, task_id)[0]["outcome"] == "released"


def test_a_task_that_a_worker_cannot_run_waits_and_says_why(engine: Engine) -> None:
    (task_id,) = make(engine)
    (claimed,) = claim(engine)

    end(engine, ended(claimed, Released(10, Failure("UnknownTaskType", "no handler"))))

    found = row(engine, task_id)
    assert (found["status"], found["last_error"]) == ("to_do", "no handler")
    assert found["available_at"] - claimed.started_at > timedelta(seconds=9)


def test_a_thousand_snoozes_fail_a_task(engine: Engine) -> None:
    (task_id,) = make(engine, retry_limit=50)
    change(engine, task_id, "snooze_count = 998")
    for expected in ("to_do", "failed"):
        change(engine, task_id, "available_at = UTC_TIMESTAMP(6)")
        end(engine, *(ended(task, Snoozed(0)) for task in claim(engine)))
        assert row(engine, task_id)["status"] == expected

    assert row(engine, task_id)["last_error"] == "put off 1000 times"


def test_the_third_crash_fails_a_task_whatever_its_retry_limit(engine: Engine) -> None:
    (task_id,) = make(engine, retry_limit=50)
    for expected in ("retrying", "retrying", "failed"):
        fail(engine, *claim(engine), outcome=AttemptOutcome.CRASHED)
        assert row(engine, task_id)["status"] == expected

    assert (row(engine, task_id)["crash_count"], row(engine, task_id)["current_retry_count"]) == (
        3,
        2,
    )


def test_a_held_task_is_paused_with_its_reason(engine: Engine) -> None:
    (task_id,) = make(engine)
    (claimed,) = claim(engine)

    end(engine, ended(claimed, Held("look at it")))

    assert (row(engine, task_id)["status"], row(engine, task_id)["last_error"]) == (
        "paused",
        "look at it",
    )
    (attempt,) = attempts(engine, task_id)
    assert (attempt["outcome"], attempt["message"]) == ("held", "look at it")


def test_a_paused_queue_is_claimed_again_when_its_pause_is_over(engine: Engine) -> None:
    first, second = make(engine, 2, queue="full")
    (claimed,) = claim(engine)

    end(engine, ended(claimed, QueuePaused("full", "too much", 60)))
    while_paused = claim(engine)
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE queues SET resume_at = UTC_TIMESTAMP(6)")
    after = claim(engine, 2)
    with transaction(engine) as connection:
        resumed = queues.resume_due(connection)

    assert while_paused == []
    assert [task.id for task in after] == [first, second], "it keeps its place"
    assert resumed == 1
    assert rows(engine, "SELECT is_paused, paused_reason, resume_at FROM queues") == [
        {"is_paused": 0, "paused_reason": None, "resume_at": None}
    ]


class TestEnqueued:
    def follow_up(self) -> Succeeded:
        return Succeeded(None, (NewTask(title="next", tags=["x"], payload={"a": 1}),))

    def titles(self, engine: Engine) -> list[str]:
        return [each["title"] for each in rows(engine, "SELECT title FROM tasks ORDER BY id")]

    def test_tasks_that_were_asked_for_come_with_the_success(self, engine: Engine) -> None:
        make(engine)
        (claimed,) = claim(engine)

        end(engine, ended(claimed, self.follow_up()))

        assert self.titles(engine) == ["a task", "next"]

    def test_a_lost_lease_creates_nothing(self, engine: Engine) -> None:
        (task_id,) = make(engine)
        (claimed,) = claim(engine)
        age_leases(engine, task_id)
        sweep(engine)

        assert end(engine, ended(claimed, self.follow_up())) != []

        assert self.titles(engine) == ["a task"]

    def test_settling_twice_creates_once(self, engine: Engine) -> None:
        make(engine)
        (claimed,) = claim(engine)
        settlement = ended(claimed, self.follow_up())

        end(engine, settlement)
        end(engine, settlement)

        assert self.titles(engine) == ["a task", "next"]


OUTCOMES: list[Outcome] = [
    Succeeded(),
    Failed(BOOM),
    Failed(BOOM, for_good=True),
    timed_out(5),
    Snoozed(1),
    Released(),
    Released(1, BOOM),
    Held("look"),
    QueuePaused("default", "full", 1),
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda value: type(value).__name__)
class TestFence:
    def test_a_stale_worker_cannot_settle_a_task_claimed_again(
        self, engine: Engine, outcome: Outcome
    ) -> None:
        (task_id,) = make(engine)
        (stale,) = claim(engine, worker_id="stale")
        age_leases(engine, task_id)
        sweep(engine)
        claim(engine, worker_id="next")
        before = row(engine, task_id)

        lost = end(engine, ended(stale, outcome, worker_id="stale"))

        assert [item.task_id for item in lost] == [task_id]
        assert row(engine, task_id) == before
        assert [found["outcome"] for found in attempts(engine, task_id)] == ["timed_out"]

    def test_a_worker_whose_lease_expired_cannot_settle(
        self, engine: Engine, outcome: Outcome
    ) -> None:
        (task_id,) = make(engine)
        (stale,) = claim(engine)
        age_leases(engine, task_id)
        sweep(engine)
        before = row(engine, task_id)

        assert [item.task_id for item in end(engine, ended(stale, outcome))] == [task_id]
        assert row(engine, task_id) == before

    def test_settling_twice_changes_nothing_and_is_answered_taken(
        self, engine: Engine, outcome: Outcome
    ) -> None:
        (task_id,) = make(engine)
        (claimed,) = claim(engine)
        settlement = ended(claimed, outcome)
        assert end(engine, settlement) == []
        before = row(engine, task_id)

        assert end(engine, settlement) == []

        assert row(engine, task_id) == before
        assert len(attempts(engine, task_id)) == 1


def test_of_a_batch_exactly_the_lost_leases_are_refused(engine: Engine) -> None:
    ids = make(engine, 6)
    claimed = claim(engine, 6)
    age_leases(engine, ids[1], ids[4])
    sweep(engine)

    lost = succeed(engine, *claimed)

    assert [item.task_id for item in lost] == [ids[1], ids[4]]
    statuses = [found["status"] for found in rows(engine, "SELECT status FROM tasks ORDER BY id")]
    assert statuses == ["done", "retrying", "done", "done", "retrying", "done"]


def test_a_batch_of_mixed_outcomes_is_settled_each_its_way(engine: Engine) -> None:
    ids = make(engine, len(OUTCOMES), retry_limit=3)
    claimed = claim(engine, len(OUTCOMES))

    lost = end(engine, *(ended(*pair) for pair in zip(claimed, OUTCOMES, strict=True)))

    assert lost == []
    assert [row(engine, task_id)["status"] for task_id in ids] == [
        "done",
        "retrying",
        "failed",
        "retrying",
        "to_do",
        "to_do",
        "to_do",
        "paused",
        "to_do",
    ]


@pytest.mark.parametrize("outcome", OUTCOMES[1:], ids=lambda value: type(value).__name__)
def test_a_task_asked_to_stop_is_cancelled_however_its_attempt_ends(
    engine: Engine, outcome: Outcome
) -> None:
    (task_id,) = make(engine)
    (claimed,) = claim(engine)
    change(engine, task_id, "stop_requested_at = UTC_TIMESTAMP(6)")

    assert end(engine, ended(claimed, outcome)) == []

    found = row(engine, task_id)
    assert (found["status"], found["stop_requested_at"]) == ("cancelled", None)
    assert attempts(engine, task_id)[0]["outcome"] == AttemptOutcome.CANCELLED


def test_a_handler_that_succeeds_while_stopping_is_done(engine: Engine) -> None:
    (task_id,) = make(engine)
    (claimed,) = claim(engine)
    change(engine, task_id, "stop_requested_at = UTC_TIMESTAMP(6)")

    succeed(engine, claimed)

    assert row(engine, task_id)["status"] == "done"


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda value: type(value).__name__)
def test_a_task_deleted_while_it_ran_goes_when_its_attempt_ends(
    engine: Engine, outcome: Outcome
) -> None:
    (task_id,) = make(engine, payload={"a": 1}, tags=["x"])
    (claimed,) = claim(engine)
    remove(engine, task_id)

    assert end(engine, ended(claimed, outcome)) == []

    assert row(engine, task_id) == {}
    assert rows(engine, "SELECT * FROM task_payloads") == []
    assert rows(engine, "SELECT * FROM task_tags") == []
    assert len(attempts(engine, task_id)) == 1


def test_a_settle_that_waits_for_the_sweep_is_refused(engine: Engine) -> None:
    (task_id,) = make(engine)
    (claimed,) = claim(engine)
    lost: list[int] = []

    def settle_late() -> None:
        lost.extend(item.task_id for item in succeed(engine, claimed))

    thread = threading.Thread(target=settle_late)
    age_leases(engine, task_id)
    with engine.connect() as reaper:
        reaper.exec_driver_sql(
            "UPDATE tasks SET status = 'retrying', current_retry_count = 1, worker_id = NULL,"
            " lease_expires_at = NULL"
        )
        thread.start()
        wait_until_blocked(engine)
        reaper.commit()
    thread.join()

    assert lost == [task_id]
    assert row(engine, task_id)["status"] == "retrying"


def test_long_errors_are_cut_to_what_the_columns_hold(engine: Engine) -> None:
    (task_id,) = make(engine)
    (claimed,) = claim(engine)
    long = Failure("E" * 1_000, "错" * 100_000, "x" * 500_000 + "the end")

    end(engine, ended(claimed, Failed(long)))

    (attempt,) = attempts(engine, task_id)
    assert len(attempt["error_class"]) == 255
    assert attempt["message"] == "错" * 4_000
    assert attempt["traceback"].endswith("the end")


@pytest.mark.parametrize(
    ("change_to", "rule"),
    [
        ("status = 'in_progress'", "in_progress_has_lease"),
        ("status = 'done'", "done_is_completed"),
        ("status = 'failed'", "finished_has_finished_at"),
        ("status = 'retrying'", "retrying_has_retry"),
        ("current_retry_count = 1", "to_do_has_no_retry"),
        ("stop_requested_at = NOW(6)", "stop_only_in_progress"),
        ("worker_id = 'w'", "in_progress_has_worker"),
        ("stage = 'QUEUED'", "stage_only_in_progress"),
        ("timeout_seconds = 0", "timeout_range"),
    ],
)
def test_plain_sql_cannot_break_the_state_machine(
    engine: Engine, change_to: str, rule: str
) -> None:
    (task_id,) = make(engine)

    with pytest.raises(DBAPIError, match=f"ck_tasks_{rule}"):
        change(engine, task_id, change_to)


def test_a_settle_of_nothing_does_nothing(engine: Engine) -> None:
    with transaction(engine) as connection:
        assert settle(connection, [], Backoff()) == []


def test_a_failure_may_say_when_its_retry_is_due(engine: Engine) -> None:
    (task_id,) = make(engine, retry_limit=1)
    fail(engine, *claim(engine), retry_seconds=600.0)

    left = "TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), available_at) AS seconds"
    (waiting,) = rows(engine, f"SELECT status, {left} FROM tasks WHERE id = {task_id}")
    assert waiting["status"] == "retrying"
    assert 590 < waiting["seconds"] <= 600

    change(engine, task_id, "available_at = UTC_TIMESTAMP(6)")
    fail(engine, *claim(engine), retry_seconds=600.0)
    assert row(engine, task_id)["status"] == "failed"
