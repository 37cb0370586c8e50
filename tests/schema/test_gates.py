"""The gates of the claim: pauses, the dispatcher, limits."""

import threading
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import claims, gates, queues
from schema.claims import ScanHints
from schema.runtime.transactions import transaction
from schema.states import Priority
from tests.rows import claim, fail, make, rows, succeed, wait_until_blocked


def limit(engine: Engine, queue: str, **limits: Any) -> None:
    assignments = ", ".join(f"{name} = {value}" for name, value in limits.items())
    with transaction(engine) as connection:
        queues.ensure(connection, [queue])
        connection.exec_driver_sql(f"UPDATE queues SET {assignments} WHERE name = '{queue}'")


def pause(engine: Engine, queue: str) -> None:
    with transaction(engine) as connection:
        queues.pause(connection, queue, "because")


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


def test_nothing_is_claimed_once_a_pause_has_answered(engine: Engine) -> None:
    make(engine, 4, queue="q")
    paused = threading.Event()

    def pause_it() -> None:
        pause(engine, "q")
        paused.set()

    with transaction(engine) as connection:
        entered = gates.enter(connection, lambda names: names)
        thread = threading.Thread(target=pause_it)
        thread.start()
        wait_until_blocked(engine)
        claimed = claims.claim(connection, "w", gates=entered, slots=2, hints=ScanHints())
        answered_before_the_commit = paused.is_set()
    thread.join()

    assert len(claimed) == 2
    assert not answered_before_the_commit
    assert claim(engine, 10) == []


def test_a_stopped_dispatcher_lets_nothing_through(engine: Engine) -> None:
    make(engine)

    def set_running(*, is_running: bool) -> None:
        with transaction(engine) as connection:
            connection.exec_driver_sql(
                "UPDATE settings SET value = %s WHERE name = 'dispatcher'",
                (f'{{"is_running": {str(is_running).lower()}}}',),
            )

    set_running(is_running=False)
    stopped = claim(engine)
    set_running(is_running=True)

    assert (stopped, len(claim(engine))) == ([], 1)


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
