"""Limited queues and the dispatcher, with real workers."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import dispatcher, leases, tasks
from schema.new_task import NewTask
from schema.runtime.transactions import transaction
from tests.processes import Running, Start
from tests.rows import AT_ONCE, attempts, limit, make, row, rows
from tests.waiting import wait_for
from tests.worker.command import HANDLERS
from tools.bench.measures.limit import most_at_once

SPANS = "SELECT started_at, ended_at FROM task_attempts"


@pytest.fixture(autouse=True)
def runs_afterwards(engine: Engine) -> Iterator[None]:
    """Lets the dispatcher run again afterwards."""
    yield
    switch(engine, is_running=True)


def switch(engine: Engine, *, is_running: bool) -> None:
    with transaction(engine) as connection:
        dispatcher.set_running(connection, "because", is_running=is_running)


def naps(engine: Engine, count: int, seconds: float = 0.05, **fields: Any) -> list[int]:
    return make(engine, count, queue="q", task_type="sleep", payload={"seconds": seconds}, **fields)


def start_workers(start: Start, count: int, **environment: str) -> list[Running]:
    settings = HANDLERS | {"WORKER_CONCURRENCY": "16"} | environment
    started = [start("worker", **settings) for _ in range(count)]
    for worker in started:
        worker.wait_for_event("worker started")
    return started


def unfinished(engine: Engine) -> list[dict[str, Any]]:
    return rows(engine, "SELECT id FROM tasks WHERE status <> 'done' LIMIT 2")


def at_once(engine: Engine) -> int:
    """Return how many attempts there were at once, by their own times."""
    return most_at_once([(each["started_at"], each["ended_at"]) for each in rows(engine, SPANS)])


def test_four_workers_of_16_slots_never_exceed_a_limit_of_5(engine: Engine, start: Start) -> None:
    limit(engine, "q", max_concurrency=5)
    naps(engine, 120)

    start_workers(start, 4)

    wait_for(lambda: not unfinished(engine), seconds=60)
    assert at_once(engine) == 5


def test_a_limit_holds_through_deaths_and_restarts(engine: Engine, start: Start) -> None:
    limit(engine, "q", max_concurrency=3)
    (held,) = naps(engine, 1, 600)
    (doomed,) = start_workers(start, 1, WORKER_CONCURRENCY="1")
    wait_for(lambda: row(engine, held)["status"] == "in_progress")
    naps(engine, 60)
    restarted, _ = start_workers(start, 2)

    doomed.kill()
    assert restarted.stop() == 0
    start_workers(start, 1)
    wait_for(lambda: unfinished(engine) == [{"id": held}])
    with transaction(engine) as connection:
        tasks.edit(connection, held, {"payload": {"seconds": 0}})
        tasks.create(connection, [NewTask(title="more", queue="q")] * 20)
        connection.exec_driver_sql(
            "UPDATE workers SET status = 'dead', ended_at = UTC_TIMESTAMP(6)"
            f" WHERE pid = {doomed.pid}"
        )
        leases.expire(connection, leases.orphaned(connection, 10), AT_ONCE)

    wait_for(lambda: not unfinished(engine), seconds=60)
    assert at_once(engine) == 3
    outcomes = [each["outcome"] for each in attempts(engine, held)]
    assert outcomes == ["lost", "succeeded"]


def test_a_limit_of_one_is_first_come_first_served_over_all_workers(
    engine: Engine, start: Start
) -> None:
    limit(engine, "q", max_concurrency=1)
    ids = naps(engine, 40, 0)

    start_workers(start, 3)

    wait_for(lambda: not unfinished(engine), seconds=60)
    order = rows(engine, "SELECT task_id FROM task_attempts ORDER BY started_at")
    assert [each["task_id"] for each in order] == ids
    assert at_once(engine) == 1


def test_a_limit_that_is_raised_is_used_at_once(engine: Engine, start: Start) -> None:
    limit(engine, "q", max_concurrency=1)
    naps(engine, 4, 60)
    running = "SELECT id FROM tasks WHERE status = 'in_progress'"
    start_workers(start, 1, WORKER_GRACE_SECONDS="0.1")
    wait_for(lambda: len(rows(engine, running)) == 1)

    limit(engine, "q", max_concurrency=3)

    wait_for(lambda: len(rows(engine, running)) == 3)


def test_a_worker_says_that_the_dispatcher_is_stopped(engine: Engine, start: Start) -> None:
    switch(engine, is_running=False)
    (task_id,) = naps(engine, 1, 0)
    (worker,) = start_workers(start, 1)

    worker.wait_for_event("dispatcher is stopped: nothing is claimed")
    assert row(engine, task_id)["fence"] == 0
    switch(engine, is_running=True)

    worker.wait_for_event("dispatcher runs again")
    wait_for(lambda: not unfinished(engine), seconds=60)
    lines = [line["event"] for line in worker.log() if "dispatcher" in line["event"]]
    assert len(lines) == 2
