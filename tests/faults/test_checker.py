"""The checker catches what it is there for: each promise is broken on purpose."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import claims, leases, settling, statements
from schema.attempts import Claimed, Failure, Lost, Released, Succeeded
from schema.runtime.transactions import transaction
from schema.states import Verb
from schema.verbs import Order, apply
from tests.rows import (
    AT_ONCE,
    age_leases,
    change,
    claim,
    end,
    ended,
    fail,
    make,
    remove,
    succeed,
    sweep,
)
from tools.faults.checker import Expected, Violation, check, report
from tools.faults.evidence import Evidence, gather
from tools.faults.journal import Journal


class Run:
    """A run with one task of a title, whose handlers note that they began."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.acks = Journal(folder / "acks")
        self.effects = Journal(folder / "effects")

    def create(self, **fields: Any) -> int:
        (task_id,) = make(self.engine, title="key", timeout_seconds=600, **fields)
        self.acks.add(kind="asked", key="key")
        self.acks.add(kind="created", key="key", id=task_id)
        return task_id

    def begin(self, *claimed: Claimed) -> None:
        for task in claimed:
            self.effects.add(task=task.id, fence=task.fence)

    def claim(self) -> Claimed:
        (claimed,) = claim(self.engine)
        self.begin(claimed)
        return claimed

    def evidence(self) -> Evidence:
        return gather(self.engine, self.acks.path, self.effects.path)

    def broken(self, **expected: Any) -> list[Violation]:
        return check(self.evidence(), Expected(**expected))

    def codes(self, **expected: Any) -> set[str]:
        return {each.invariant for each in self.broken(**expected)}


@pytest.fixture
def a_run(engine: Engine, tmp_path: Path) -> Run:
    return Run(engine, tmp_path)


def sql(engine: Engine, statement: str) -> None:
    with transaction(engine) as connection:
        connection.exec_driver_sql(statement)


def test_a_run_that_keeps_its_promises_has_no_violation(engine: Engine, a_run: Run) -> None:
    a_run.create()
    fail(engine, a_run.claim())
    end(engine, ended(a_run.claim(), Released()))
    age_leases(engine, a_run.claim().id)
    sweep(engine)
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            "UPDATE task_attempts SET ended_at = ended_at + INTERVAL 1 HOUR"
            " WHERE outcome = 'timed_out'"
        )
        connection.exec_driver_sql("UPDATE tasks SET available_at = UTC_TIMESTAMP(6)")
    succeed(engine, a_run.claim())

    assert a_run.broken(slack_seconds=3600) == []


def test_a_deleted_task_may_be_gone(engine: Engine, a_run: Run) -> None:
    remove(engine, a_run.create())

    assert a_run.broken() == []


def test_a_settle_without_a_fence_is_caught(
    engine: Engine, a_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fenced = "(id, fence) IN ({holds})"
    assert fenced in statements.SETTLE
    by_status_alone = statements.SETTLE.replace(f"{fenced} AND ", "")
    monkeypatch.setattr(settling, "SETTLE", by_status_alone)
    careless = statements.INSERT_ATTEMPTS.replace("INSERT", "REPLACE")
    monkeypatch.setattr(settling, "INSERT_ATTEMPTS", careless)
    a_run.create()
    stale = a_run.claim()
    end(engine, ended(stale, Released()))
    a_run.claim()

    succeed(engine, stale)

    assert "I3" in a_run.codes()


def test_a_claim_that_does_not_lock_and_guard_is_caught(
    engine: Engine, a_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlocked = statements.CLAIM.replace("FOR UPDATE SKIP LOCKED", "")
    monkeypatch.setattr(claims, "CLAIM", unlocked)
    unguarded = statements.TAKE_LEASES.split(" AND status")[0]
    monkeypatch.setattr(claims, "TAKE_LEASES", unguarded)
    barrier = threading.Barrier(2)
    look = claims._lock_all

    def look_together(*arguments: Any) -> Any:
        found = look(*arguments)
        barrier.wait()
        return found

    monkeypatch.setattr(claims, "_lock_all", look_together)
    a_run.create()

    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(claim, engine, worker_id=f"w{number}") for number in (1, 2)]
    a_run.begin(*(task for one in both for task in one.result()))

    assert {"I3", "I4"} <= a_run.codes(all_ended=False)


def test_a_reaper_that_does_not_look_twice_is_caught(
    engine: Engine, a_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = "lease_expires_at <= UTC_TIMESTAMP(6) AS is_over"
    assert over in statements.LOCK_HELD
    monkeypatch.setattr(settling, "LOCK_HELD", statements.LOCK_HELD.replace(over, "1 AS is_over"))
    a_run.create()
    first = a_run.claim()
    age_leases(engine, first.id)
    with transaction(engine) as connection:
        found = leases.overdue(connection, limit=10)
    end(engine, ended(first, Released()))
    a_run.claim()

    with transaction(engine) as connection:
        assert leases.expire(connection, found, AT_ONCE) == 1
    succeed(engine, a_run.claim())

    (violation,) = a_run.broken()
    assert violation.invariant == "I5"
    assert "fence 2 timed out after" in violation.message


def test_a_lost_task_is_caught(engine: Engine, a_run: Run) -> None:
    task_id = a_run.create()
    sql(engine, f"DELETE FROM tasks WHERE id = {task_id}")

    assert a_run.codes() == {"I1"}


def test_a_task_that_never_ends_is_caught(a_run: Run) -> None:
    a_run.create()

    assert a_run.codes() == {"I1"}
    assert a_run.codes(all_ended=False) == set()


def test_a_second_success_is_caught(engine: Engine, a_run: Run) -> None:
    task_id = a_run.create()
    succeed(engine, a_run.claim())
    back = "status = 'to_do', completed_at = NULL, finished_at = NULL"
    change(engine, task_id, back)
    succeed(engine, a_run.claim())

    assert {"I2", "I5"} <= a_run.codes()


def test_a_handler_that_ran_under_a_fence_never_given_is_caught(engine: Engine, a_run: Run) -> None:
    task_id = a_run.create()
    succeed(engine, a_run.claim())
    a_run.effects.add(task=task_id, fence=2)

    assert a_run.codes() == {"I3"}


def test_a_success_without_a_handler_is_caught(engine: Engine, a_run: Run) -> None:
    a_run.create()
    fail(engine, a_run.claim())
    succeed(engine, *claim(engine))

    assert a_run.codes() == {"I3"}


def test_an_attempt_that_nobody_counted_is_caught(engine: Engine, a_run: Run) -> None:
    task_id = a_run.create()
    fail(engine, a_run.claim())
    change(engine, task_id, "current_retry_count = 2")
    succeed(engine, a_run.claim())

    assert a_run.codes() == {"I5"}


def test_a_lost_attempt_of_a_living_worker_is_caught(engine: Engine, a_run: Run) -> None:
    a_run.create()
    claimed = a_run.claim()
    sql(
        engine,
        "INSERT INTO workers (id, host, pid, version, queues, task_types, slots)"
        " VALUES ('test:1:0', 'h', 1, '0', '[]', '[]', 1)",
    )
    lost = ended(claimed, Lost(Failure("WorkerLost", "gone")))
    end(engine, lost)
    succeed(engine, a_run.claim())

    assert a_run.codes() == {"I5"}


def test_a_lease_that_nobody_takes_back_is_caught(engine: Engine, a_run: Run) -> None:
    a_run.create()
    claimed = a_run.claim()
    change(engine, claimed.id, "lease_expires_at = UTC_TIMESTAMP(6) - INTERVAL 8 SECOND")

    assert a_run.codes(all_ended=False) == {"I6"}


def test_a_move_that_no_table_knows_is_caught(engine: Engine, a_run: Run) -> None:
    task_id = a_run.create()
    fail(engine, a_run.claim(), for_good=True)
    change(engine, task_id, "status = 'done', completed_at = UTC_TIMESTAMP(6)")
    sql(
        engine,
        "INSERT INTO task_events (task_id, actor, verb, from_status, to_status)"
        f" VALUES ({task_id}, 'x', 'resume', 'done', 'to_do')",
    )

    assert a_run.codes() == {"I7"}


def test_two_tasks_for_one_key_are_caught(engine: Engine, a_run: Run) -> None:
    a_run.create()
    make(engine, title="key")

    assert a_run.codes(all_ended=False) == {"I8"}


def test_what_a_client_saw_is_part_of_the_evidence(a_run: Run) -> None:
    a_run.acks.add(kind="broken", invariant="I10", message="GET /tasks: 500")

    assert a_run.broken() == [Violation("I10", None, "GET /tasks: 500")]


def test_the_history_of_the_first_broken_task_is_told(engine: Engine, a_run: Run) -> None:
    task_id = a_run.create()
    with transaction(engine) as connection:
        apply(connection, Order(Verb.PAUSE, "somebody"), [task_id])
    evidence = a_run.evidence()

    told = report(evidence, check(evidence))

    assert "1 violations: {'I1': 1}" in told
    assert f"history of task {task_id}:" in told
    assert "pause: to_do -> paused" in told
    assert "API promised" in told


def test_ends_under_their_fences_are_no_violation(engine: Engine, a_run: Run) -> None:
    a_run.create()
    first = a_run.claim()
    age_leases(engine, first.id)
    sweep(engine)

    assert end(engine, ended(first, Succeeded())) != []
    assert a_run.codes(all_ended=False, slack_seconds=3600) == set()
