"""The claim."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import claims, gates
from schema.attempts import Claimed
from schema.claims import ScanHints
from schema.runtime.transactions import transaction
from schema.states import Priority
from tests.rows import age_leases, attempts, change, claim, fail, make, row, succeed, sweep


def titles(claimed: list[Claimed]) -> list[str]:
    return [task.title for task in claimed]


def test_the_highest_priority_goes_first(engine: Engine) -> None:
    for priority in reversed(Priority):
        make(engine, priority=priority, title=priority)

    assert titles(claim(engine, 3)) == ["高", "中", "低"]


def test_within_a_priority_the_first_come_is_first_served(engine: Engine) -> None:
    ids = make(engine, 3) + make(engine, 2)

    assert [task.id for task in claim(engine, 10)] == ids


def test_the_highest_priority_goes_first_over_all_queues(engine: Engine) -> None:
    make(engine, queue="a", priority=Priority.LOW, title="a low")
    make(engine, queue="b", priority=Priority.HIGH, title="b high")
    make(engine, queue="a", priority=Priority.HIGH, title="a high")

    assert titles(claim(engine, 3, queues=["a", "b"])) == ["a high", "b high", "a low"]


def test_a_claim_takes_no_more_than_its_slots(engine: Engine) -> None:
    make(engine, 5)

    assert len(claim(engine, 3)) == 3
    assert len(claim(engine, 3)) == 2
    assert claim(engine, 3) == []


def test_only_the_queues_named_are_claimed(engine: Engine) -> None:
    make(engine, queue="mine")
    make(engine, queue="theirs")

    assert [task.queue for task in claim(engine, 10, queues=["mine"])] == ["mine"]


def test_a_paused_queue_is_not_open(engine: Engine) -> None:
    make(engine, queue="paused")
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE queues SET is_paused = 1, paused_at = NOW(6)")

    assert claim(engine) == []


def test_a_task_for_later_is_not_claimed_before(engine: Engine) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    (task_id,) = make(engine, available_at=later)
    assert claim(engine) == []

    change(engine, task_id, "available_at = UTC_TIMESTAMP(6)")

    assert [task.id for task in claim(engine)] == [task_id]


def test_a_held_task_is_not_claimed(engine: Engine) -> None:
    make(engine, hold=True)

    assert claim(engine) == []


def test_a_claim_raises_the_fence_and_sets_the_lease(engine: Engine) -> None:
    (task_id,) = make(engine, timeout_seconds=40)

    (claimed,) = claim(engine, worker_id="w")

    found = row(engine, task_id)
    assert (found["status"], found["fence"], found["worker_id"]) == ("in_progress", 1, "w")
    assert found["version"] == 2
    assert found["started_at"] == claimed.started_at
    assert found["lease_expires_at"] - found["started_at"] == timedelta(seconds=40)
    assert claimed.fence == 1
    assert claimed.attempt == 1


def test_a_claim_brings_payload_and_tags(engine: Engine) -> None:
    make(engine, payload={"size": [1, 2.5, "三"]}, tags=["乙", "a"], account_id="acc")

    (claimed,) = claim(engine)

    assert claimed.payload is not None
    assert claimed.payload.replace(" ", "") == '{"size":[1,2.5,"三"]}'
    assert set(claimed.tags) == {"a", "乙"}
    assert claimed.account_id == "acc"


def test_two_claims_at_once_take_different_tasks(engine: Engine) -> None:
    make(engine, 10)
    with transaction(engine) as first:
        entered = gates.enter(first, lambda names: names)
        mine = claims.claim(first, "a", gates=entered, slots=4, hints=ScanHints())
        theirs = claim(engine, 10, worker_id="b")  # while the first is not committed

    assert len(mine) == 4
    assert len(theirs) == 6
    assert not {task.id for task in mine} & {task.id for task in theirs}


def test_a_claim_that_is_rolled_back_leaves_no_trace(engine: Engine) -> None:
    (task_id,) = make(engine)
    before = row(engine, task_id)
    with engine.connect() as connection:
        entered = gates.enter(connection, lambda names: names)
        claims.claim(connection, "a", gates=entered, slots=1, hints=ScanHints())
        connection.rollback()

    assert row(engine, task_id) == before


def test_eight_workers_claim_every_task_once(engine: Engine) -> None:
    ids = make(engine, 400)
    taken: list[int] = []

    def work() -> None:
        hints = ScanHints()
        while claimed := claim(engine, 7, hints=hints):
            succeed(engine, *claimed)
            taken.extend(task.id for task in claimed)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(taken) == ids


def test_has_claimable_tells_an_empty_queue_from_a_waiting_one(engine: Engine) -> None:
    with engine.connect() as connection:
        assert not claims.has_claimable(connection, ScanHints())
    make(engine)
    with engine.connect() as connection:
        assert claims.has_claimable(connection, ScanHints())


class TestScanHints:
    def test_a_scan_starts_behind_the_last_one(self, engine: Engine) -> None:
        make(engine, 6)
        hints = ScanHints()
        first = claim(engine, 2, hints=hints)
        early = make(engine)[0]
        change(engine, early, "available_at = '2020-01-01'")

        onward = claim(engine, 10, hints=hints)

        assert early not in {task.id for task in onward}
        assert len(first + onward) == 6

    def test_what_came_back_is_found_when_the_hint_is_dropped(self, engine: Engine) -> None:
        make(engine, 2)
        hints = ScanHints()
        claim(engine, 2, hints=hints)
        early = make(engine)[0]
        change(engine, early, "available_at = '2020-01-01'")

        hints.drop()

        assert [task.id for task in claim(engine, 10, hints=hints)] == [early]

    def test_a_hint_lasts_a_second(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = [100.0]
        monkeypatch.setattr("schema.claims.time.monotonic", lambda: clock[0])
        hints = ScanHints()
        hints.end_of(("q", "中"))
        end = (datetime(2026, 1, 1), 7)  # noqa: DTZ001  # as the database gives it
        hints.note(("q", "中"), end, full=True)

        clock[0] += claims.HINT_SECONDS
        kept, known = hints.end_of(("q", "中")), hints.full_places()
        clock[0] += 0.01

        assert (kept, known) == (end, {("q", "中")})
        assert hints.end_of(("q", "中")) is None
        assert hints.full_places() == set()

    def test_a_place_that_had_more_is_scanned_without_a_look(self, engine: Engine) -> None:
        make(engine, 3)
        hints = ScanHints()
        claim(engine, 2, hints=hints)
        assert hints.full_places() == {("default", "中")}

        claim(engine, 2, hints=hints)

        assert hints.full_places() == set()

    def test_a_higher_priority_is_seen_while_a_lower_one_has_more(self, engine: Engine) -> None:
        make(engine, 3)
        hints = ScanHints()
        claim(engine, 1, hints=hints)
        make(engine, priority=Priority.HIGH, title="urgent")

        assert titles(claim(engine, 1, hints=hints)) == ["urgent"]

    def test_rows_of_one_insert_share_a_moment_and_are_all_found(self, engine: Engine) -> None:
        ids = make(engine, 5)
        hints = ScanHints()

        found = [claim(engine, 1, hints=hints)[0].id for _ in ids]

        assert found == ids


class TestAging:
    def aged(self, engine: Engine, task_id: int, seconds: int) -> None:
        change(engine, task_id, f"available_at = UTC_TIMESTAMP(6) - INTERVAL {seconds} SECOND")

    def test_what_waited_long_goes_before_what_is_fresh(self, engine: Engine) -> None:
        (low,) = make(engine, priority=Priority.LOW)
        (medium,) = make(engine, priority=Priority.MEDIUM)
        high = make(engine, 2, priority=Priority.HIGH)
        self.aged(engine, low, 90)
        self.aged(engine, medium, 30)

        claimed = claim(engine, 10, hints=ScanHints(aging_seconds=60))

        assert [task.id for task in claimed] == [low, *high, medium]

    def test_among_what_has_aged_the_highest_priority_goes_first(self, engine: Engine) -> None:
        (low,) = make(engine, priority=Priority.LOW)
        (high,) = make(engine, priority=Priority.HIGH)
        self.aged(engine, low, 900)
        self.aged(engine, high, 90)

        claimed = claim(engine, 10, hints=ScanHints(aging_seconds=60))

        assert [task.id for task in claimed] == [high, low]

    def test_without_it_priority_alone_decides(self, engine: Engine) -> None:
        (low,) = make(engine, priority=Priority.LOW)
        (high,) = make(engine, priority=Priority.HIGH)
        self.aged(engine, low, 900)

        assert [task.id for task in claim(engine, 10)] == [high, low]

    def test_one_task_after_another_is_taken_once(self, engine: Engine) -> None:
        ids = make(engine, 6)
        for task_id in ids[:3]:
            self.aged(engine, task_id, 90)
        hints = ScanHints(aging_seconds=60)

        found = [task.id for _ in ids for task in claim(engine, 1, hints=hints)]

        assert sorted(found) == ids


def test_each_claim_of_a_task_is_numbered(engine: Engine) -> None:
    (task_id,) = make(engine, retry_limit=5)
    seen: list[Any] = []
    for _ in range(2):
        (claimed,) = claim(engine)
        seen.append((claimed.fence, claimed.attempt))
        fail(engine, claimed)
    (claimed,) = claim(engine)
    age_leases(engine, task_id)
    sweep(engine)

    assert seen == [(1, 1), (2, 2)]
    assert [found["attempt"] for found in attempts(engine, task_id)] == [1, 2, 3]
