"""The gates of the claim: pauses, the dispatcher, limits."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import claims, dispatcher, gates, queues
from schema.attempts import Claimed
from schema.claims import ScanHints
from schema.runtime.transactions import transaction
from schema.states import Priority
from tests.rows import (
    age_leases,
    change,
    claim,
    fail,
    limit,
    make,
    rows,
    succeed,
    sweep,
    wait_until_blocked,
)


def pause(engine: Engine) -> None:
    with transaction(engine) as connection:
        queues.pause(connection, "q", "because")


def stop(engine: Engine) -> None:
    with transaction(engine) as connection:
        dispatcher.set_running(connection, "because", is_running=False)


@pytest.fixture
def dispatcher_runs(engine: Engine) -> Iterator[None]:
    """Lets the dispatcher run again afterwards."""
    yield
    with transaction(engine) as connection:
        dispatcher.set_running(connection, None, is_running=True)


def free_to_lock(engine: Engine, queue: str) -> bool:
    """Whether nobody holds a lock on a queue's row."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT name FROM queues WHERE name = %s FOR UPDATE SKIP LOCKED", (queue,)
        ).all()
        connection.rollback()
    return bool(found)


def test_a_queue_takes_no_more_than_its_limit(engine: Engine) -> None:
    limit(engine, "q", max_concurrency=3)
    make(engine, 10, queue="q")

    first = claim(engine, 10)
    more = claim(engine, 10)
    succeed(engine, first[0])
    freed = claim(engine, 10)

    assert (len(first), more, len(freed)) == (3, [], 1)


def test_a_limit_counts_over_all_priorities_and_the_highest_goes_first(engine: Engine) -> None:
    limit(engine, "q", max_concurrency=2)
    for priority in reversed(Priority):
        make(engine, queue="q", priority=priority, title=priority)

    assert [task.title for task in claim(engine, 10)] == ["高", "中"]


def test_a_limit_of_one_is_strictly_first_come_first_served(engine: Engine) -> None:
    limit(engine, "q", max_concurrency=1)
    ids = make(engine, 4, queue="q")
    hints = ScanHints()
    order = []
    (claimed,) = claim(engine, 10, hints=hints)
    fail(engine, claimed)  # comes back behind the others
    for _ in ids:
        (claimed,) = claim(engine, 10, hints=hints)
        order.append(claimed.id)
        succeed(engine, claimed)

    assert order == [*ids[1:], ids[0]]


def test_other_queues_go_on_when_one_is_full(engine: Engine) -> None:
    limit(engine, "q", max_concurrency=1)
    make(engine, 3, queue="q")
    make(engine, 3, queue="other")

    assert Counter(task.queue for task in claim(engine, 10)) == {"q": 1, "other": 3}


def test_a_limit_of_none_lets_nothing_through(engine: Engine) -> None:
    limit(engine, "q", max_concurrency=0)
    make(engine, queue="q")

    assert claim(engine) == []


def test_a_rate_lets_through_so_many_starts_per_period(engine: Engine) -> None:
    limit(engine, "q", rate_limit=3, rate_period_seconds=60)
    make(engine, 10, queue="q")

    first = len(claim(engine, 10))
    second = len(claim(engine, 10))
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            "UPDATE queues SET rate_refilled_at = rate_refilled_at - INTERVAL 45 SECOND"
        )
    later = len(claim(engine, 10))
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            "UPDATE queues SET rate_refilled_at = rate_refilled_at - INTERVAL 1 DAY"
        )
    much_later = len(claim(engine, 10))

    assert (first, second, later, much_later) == (3, 0, 2, 3)


@pytest.mark.usefixtures("dispatcher_runs")
@pytest.mark.parametrize("limits", [{}, {"max_concurrency": 5}], ids=["open", "limited"])
@pytest.mark.parametrize("close", [pause, stop])
def test_nothing_is_claimed_once_a_pause_or_a_stop_has_answered(
    engine: Engine, close: Callable[[Engine], None], limits: dict[str, int]
) -> None:
    make(engine, 4, queue="q")
    limit(engine, "q", **limits)
    answered = threading.Event()

    def close_it() -> None:
        close(engine)
        answered.set()

    with transaction(engine) as connection:
        entered = gates.enter(connection, lambda names: names)
        thread = threading.Thread(target=close_it)
        thread.start()
        wait_until_blocked(engine)
        claimed = claims.claim(connection, "w", gates=entered, slots=2, hints=ScanHints())
        answered_before_the_commit = answered.is_set()
    thread.join()

    assert len(claimed) == 2
    assert not answered_before_the_commit
    assert claim(engine, 10) == []


@pytest.mark.usefixtures("dispatcher_runs")
def test_a_stopped_dispatcher_lets_nothing_through(engine: Engine) -> None:
    make(engine)
    stop(engine)

    assert claim(engine) == []
    with transaction(engine) as connection:
        assert gates.enter(connection, lambda names: names).is_stopped
        dispatcher.set_running(connection, None, is_running=True)
    assert len(claim(engine)) == 1


@pytest.mark.parametrize("asked", ["stop_requested_at", "delete_requested_at"])
def test_a_task_that_is_being_stopped_or_deleted_keeps_its_slot(engine: Engine, asked: str) -> None:
    limit(engine, "q", max_concurrency=1)
    make(engine, 2, queue="q")
    (claimed,) = claim(engine)
    change(engine, claimed.id, f"{asked} = UTC_TIMESTAMP(6)")

    assert claim(engine) == []
    fail(engine, claimed)
    assert len(claim(engine)) == 1


def test_a_lease_counts_until_it_is_expired(engine: Engine) -> None:
    limit(engine, "q", max_concurrency=1)
    make(engine, 2, queue="q")
    (claimed,) = claim(engine)
    age_leases(engine, claimed.id)

    assert claim(engine) == []
    assert sweep(engine) == 1
    assert len(claim(engine)) == 1


def test_a_limit_that_is_changed_holds_from_the_next_claim_on(engine: Engine) -> None:
    limit(engine, "q", max_concurrency=1)
    make(engine, 9, queue="q")
    taken = [len(claim(engine, 10))]

    for changed in ("3", "2", "NULL"):
        limit(engine, "q", max_concurrency=changed)
        taken.append(len(claim(engine, 10)))

    assert taken == [1, 2, 0, 6]


@pytest.mark.parametrize(
    ("before", "after", "taken"), [("NULL", "1", 0), ("1", "NULL", 3), ("1", "2", 2)]
)
def test_a_limit_that_changes_under_a_claim_is_never_exceeded(
    engine: Engine, before: str, after: str, taken: int
) -> None:
    limit(engine, "q", max_concurrency=before)
    make(engine, 3, queue="q")
    claimed: list[Claimed] = []
    with transaction(engine) as connection:
        connection.exec_driver_sql(f"UPDATE queues SET max_concurrency = {after}")
        thread = threading.Thread(target=lambda: claimed.extend(claim(engine, 10)))
        thread.start()
        wait_until_blocked(engine)
    thread.join()

    assert len(claimed) == taken


def test_a_task_starts_behind_the_end_of_the_one_whose_place_it_takes(engine: Engine) -> None:
    limit(engine, "q", max_concurrency=1)
    make(engine, queue="q")
    claimed: list[Claimed] = []
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE queues SET description = 'held'")
        thread = threading.Thread(target=lambda: claimed.extend(claim(engine)))
        thread.start()
        wait_until_blocked(engine)
        held_until = connection.exec_driver_sql("SELECT UTC_TIMESTAMP(6)").scalar_one()
    thread.join()

    assert claimed[0].started_at > held_until


@pytest.mark.parametrize(
    ("limits", "claimed", "is_locked"),
    [
        ({"max_concurrency": 2}, 1, True),
        ({"max_concurrency": 2}, 2, False),
        ({"rate_limit": 2, "rate_period_seconds": 3600}, 1, True),
        ({"rate_limit": 2, "rate_period_seconds": 3600}, 2, False),
        ({"max_concurrency": 9}, 4, False),
        ({"max_concurrency": 9, "is_paused": 1, "paused_at": "NOW(6)"}, 0, False),
    ],
    ids=["room", "full", "tokens", "spent", "empty", "paused"],
)
def test_a_limited_queue_that_has_nothing_to_give_is_not_locked(
    engine: Engine, limits: dict[str, Any], claimed: int, *, is_locked: bool
) -> None:
    make(engine, 4, queue="q")
    limit(engine, "q", **limits)
    assert len(claim(engine, claimed)) == claimed

    with engine.connect() as connection:
        gates.enter(connection, lambda names: names)
        assert free_to_lock(engine, "q") is not is_locked


def test_a_full_queue_is_told_from_an_empty_one(engine: Engine) -> None:
    def is_full() -> bool:
        with engine.connect() as connection:
            return gates.enter(connection, lambda names: names).is_full

    limit(engine, "q", max_concurrency=1)
    make(engine, 2, queue="q")
    seen = [is_full()]
    for _ in range(2):
        (claimed,) = claim(engine)
        seen.append(is_full())
        succeed(engine, claimed)

    assert seen == [False, True, False]


@pytest.mark.parametrize("limits", [{"max_concurrency": 5}, {"rate_limit": 40}])
def test_workers_at_once_never_exceed_a_limit(engine: Engine, limits: dict[str, int]) -> None:
    limit(engine, "q", rate_period_seconds=86_400, **limits)
    limit(engine, "r", max_concurrency=2)
    make(engine, 120, queue="q")
    make(engine, 40, queue="r")
    most = Counter[str]()

    def work() -> None:
        for _ in range(12):
            for task in claim(engine, 7, hints=ScanHints()):
                running = rows(
                    engine,
                    "SELECT queue, COUNT(*) AS n FROM tasks WHERE status = 'in_progress'"
                    " GROUP BY queue",
                )
                for each in running:
                    most[each["queue"]] = max(most[each["queue"]], each["n"])
                succeed(engine, task)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    started = rows(engine, "SELECT COUNT(*) AS n FROM tasks WHERE queue = 'q' AND fence > 0")
    assert most["r"] <= 2
    if "rate_limit" in limits:
        assert started == [{"n": 40}]
    else:
        assert most["q"] <= 5
