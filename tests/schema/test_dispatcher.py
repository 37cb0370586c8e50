"""The dispatcher's switch."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import dispatcher
from schema.dispatcher import MOST_RUNNING, State
from schema.models.tasks import STATUS_INDEX
from schema.runtime.transactions import transaction
from tests.rows import change, claim, make, rows, succeed


@pytest.fixture(autouse=True)
def as_it_was(engine: Engine) -> Iterator[None]:
    """Lets the dispatcher run again afterwards, its row as the migration made it."""
    yield
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            "REPLACE INTO settings (name, value) VALUES ('dispatcher', '{\"is_running\": true}')"
        )


def switch(engine: Engine, reason: str | None = None, *, is_running: bool) -> State:
    with transaction(engine) as connection:
        dispatcher.set_running(connection, reason, is_running=is_running)
        return dispatcher.state(connection)


def lets_through(engine: Engine) -> bool:
    with engine.connect() as connection:
        return dispatcher.lets_through(connection)


def test_it_runs_until_it_is_stopped(engine: Engine) -> None:
    with engine.connect() as connection:
        assert dispatcher.state(connection).is_running
    assert lets_through(engine)

    stopped = switch(engine, "the disk is full", is_running=False)

    assert (stopped.is_running, stopped.reason) == (False, "the disk is full")
    assert not lets_through(engine)


def test_starting_it_says_why_too(engine: Engine) -> None:
    switch(engine, "the disk is full", is_running=False)

    started = switch(engine, "there is a new one", is_running=True)

    assert (started.is_running, started.reason) == (True, "there is a new one")
    assert lets_through(engine)


@pytest.mark.parametrize("is_running", [True, False])
def test_what_it_does_already_changes_nothing(engine: Engine, *, is_running: bool) -> None:
    switch(engine, "one", is_running=not is_running)
    first = switch(engine, "two", is_running=is_running)

    again = switch(engine, "three", is_running=is_running)

    assert again == first
    assert first.reason == "two"


def test_its_time_is_that_of_the_change(engine: Engine) -> None:
    before = rows(engine, "SELECT UTC_TIMESTAMP(6) AS now")[0]["now"]

    since = switch(engine, is_running=False).since

    assert since is not None
    assert before <= since <= rows(engine, "SELECT UTC_TIMESTAMP(6) AS now")[0]["now"]


def test_without_its_row_it_runs_and_can_be_stopped(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.exec_driver_sql("DELETE FROM settings WHERE name = 'dispatcher'")
        assert dispatcher.state(connection) == State(is_running=True)
    assert lets_through(engine)

    switch(engine, is_running=False)

    assert not lets_through(engine)


def test_what_runs_is_listed_the_longest_first(engine: Engine) -> None:
    first, second, deleted = make(engine, 3, account_id="a")
    for _ in range(3):
        claim(engine)
    change(engine, deleted, "delete_requested_at = UTC_TIMESTAMP(6)")

    with engine.connect() as connection:
        running = dispatcher.running(connection)

    assert running.count == 2
    assert [(each.id, each.account_id) for each in running.longest] == [(first, "a"), (second, "a")]


def test_many_that_run_are_counted_and_some_listed(engine: Engine) -> None:
    make(engine, MOST_RUNNING + 3)
    claim(engine, MOST_RUNNING + 3)

    with engine.connect() as connection:
        running = dispatcher.running(connection)

    assert (running.count, len(running.longest)) == (MOST_RUNNING + 3, MOST_RUNNING)


def test_nothing_may_run(engine: Engine) -> None:
    make(engine, 2)
    succeed(engine, *claim(engine))

    with engine.connect() as connection:
        assert dispatcher.running(connection) == dispatcher.Running(0, [])


def test_what_runs_is_found_through_the_status_index(engine: Engine) -> None:
    make(engine, 2)
    query: Any = dispatcher._RUNNING.compile(engine, compile_kwargs={"literal_binds": True})

    (step,) = rows(engine, f"EXPLAIN FORMAT=TRADITIONAL {query}")

    assert step["key"] == STATUS_INDEX
