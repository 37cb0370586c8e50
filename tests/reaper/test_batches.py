"""Carrying on batches."""

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from reaper.batches import carry_on
from schema import batches
from schema.filters import TaskFilter
from schema.runtime.stopping import Stopping
from schema.runtime.transactions import transaction
from schema.states import Verb
from schema.verbs import Order
from tests.processes import Start
from tests.rows import make, rows
from tests.waiting import wait_for


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_AT_ONCE", 3)


def begin(engine: Engine, verb: Verb, queue: str) -> object:
    order = Order(verb, "somebody")
    with transaction(engine) as connection:
        return batches.apply_matching(connection, order, TaskFilter(queue=[queue]))


def test_all_batches_are_carried_on_to_their_ends(engine: Engine) -> None:
    for queue in ("a", "b"):
        make(engine, 10, queue=queue)
    batch_ids = [begin(engine, Verb.STOP, "a"), begin(engine, Verb.DELETE, "b")]

    with capture_logs() as log:
        carry_on(engine, Stopping())
        carry_on(engine, Stopping())

    assert [(line["event"], line["batch_id"]) for line in log] == [
        ("batch completed", batch_id) for batch_id in batch_ids
    ]
    assert rows(engine, "SELECT status, COUNT(*) AS n FROM tasks GROUP BY status") == [
        {"status": "cancelled", "n": 10}
    ]


def test_a_reaper_that_is_to_stop_leaves_the_rest_to_the_next(engine: Engine) -> None:
    make(engine, 10, queue="a")
    begin(engine, Verb.STOP, "a")
    stopping = Stopping()
    stopping.asked.set()
    progress = "SELECT succeeded, status FROM batches"

    carry_on(engine, stopping)
    before = rows(engine, progress)
    carry_on(engine, Stopping())

    assert before == [{"succeeded": 0, "status": "running"}]
    assert rows(engine, progress) == [{"succeeded": 10, "status": "completed"}]


def test_a_batch_that_cannot_be_understood_fails_and_holds_up_no_other(engine: Engine) -> None:
    make(engine, 10, queue="a")
    begin(engine, Verb.STOP, "a")
    begin(engine, Verb.STOP, "a")
    with transaction(engine) as connection:
        connection.exec_driver_sql("""UPDATE batches SET filter = '{"colour": ["red"]}' LIMIT 1""")

    with capture_logs() as log:
        carry_on(engine, Stopping())

    assert [line["event"] for line in log] == ["batch failed", "batch completed"]
    found = rows(engine, "SELECT status, finished_at IS NULL AS lasts FROM batches ORDER BY id")
    assert found == [{"status": "failed", "lasts": 0}, {"status": "completed", "lasts": 0}]


def test_a_batch_survives_a_reaper_that_is_killed(engine: Engine, start: Start) -> None:
    make(engine, 6_000, queue="a")
    begin(engine, Verb.STOP, "a")
    first = start("reaper", REAPER_INTERVAL_SECONDS="0.05")
    wait_for(lambda: rows(engine, "SELECT id FROM batches WHERE succeeded > 0"))
    first.kill()

    second = start("reaper", REAPER_INTERVAL_SECONDS="0.05")
    wait_for(lambda: rows(engine, "SELECT id FROM batches WHERE status = 'completed'"))

    assert rows(engine, "SELECT requested, succeeded FROM batches") == [
        {"requested": 6_000, "succeeded": 6_000}
    ]
    assert rows(engine, "SELECT COUNT(*) AS n FROM task_events") == [{"n": 6_000}]
    assert second.stop() == 0
