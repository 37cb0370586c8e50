"""Every transaction that changes tasks tells so, once it is committed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from schema import holding, tags, tasks, verbs
from schema.attempts import Progress, Snoozed
from schema.changes import Notice, read
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.changes import listen
from schema.runtime.engine import create_thread_engine
from schema.runtime.transactions import commit, run
from schema.states import Verb
from schema.verbs import Order
from tests.rows import age_leases, claim, end, ended, make, remove, row, succeed, sweep


class Told:
    """What was told, transaction by transaction."""

    def __init__(self, engine: Engine) -> None:
        self.all: list[set[int]] = []
        listen(engine, lambda changed: self.all.append(set(changed)))

    def by(self, move: Callable[[], Any]) -> list[set[int]]:
        """Return what is told by a move."""
        self.all.clear()
        move()
        return self.all


@pytest.fixture
def own(engine: Engine, database_url: str) -> Iterator[Engine]:  # noqa: ARG001  # empties the tables
    """An engine to listen on."""
    made = create_thread_engine(DatabaseAddress.parse(database_url), connections=2)
    yield made
    made.dispose()


@pytest.fixture
def told(own: Engine) -> Told:
    return Told(own)


def apply(engine: Engine, verb: Verb, *task_ids: int) -> None:
    run(engine, lambda connection: verbs.apply(connection, Order(verb, "x"), task_ids))


def test_who_renames_or_deletes_a_tag_tells_of_its_tasks(own: Engine, told: Told) -> None:
    ids = set(make(own, 2, tags=["a"]))
    make(own, tags=["b"])

    def rename(connection: Connection) -> None:
        tags.touch(connection, tags.rename(connection, "a", "c") or 0)

    assert told.by(lambda: run(own, rename)) == [ids]
    assert told.by(lambda: run(own, lambda connection: tags.remove(connection, "c"))) == [ids]


def test_each_move_of_a_task_tells_of_it(own: Engine, told: Told) -> None:
    made = told.by(lambda: make(own, 2))
    (first, second) = sorted(made[0])
    assert made == [{first, second}]

    assert told.by(lambda: apply(own, Verb.PAUSE, first, second)) == [{first, second}]
    assert told.by(lambda: apply(own, Verb.RESUME, first)) == [{first}]
    (held,) = claim(own, 5)
    assert told.all[1:] == [{first}]
    assert told.by(lambda: end(own, ended(held, Snoozed(0)))) == [{first}]
    (held,) = claim(own, 5)
    assert told.by(lambda: succeed(own, held)) == [{first}]
    assert told.by(lambda: remove(own, first)) == [{first}]
    assert told.by(lambda: apply(own, Verb.START, second)) == [{second}]


def test_an_edit_tells(own: Engine, told: Told) -> None:
    (task_id,) = make(own)

    edit = {"title": "b", "tags": ["x"]}
    assert told.by(lambda: run(own, lambda connection: tasks.edit(connection, task_id, edit))) == [
        {task_id}
    ]


def test_what_a_worker_writes_of_a_running_task_tells(own: Engine, told: Told) -> None:
    (task_id,) = make(own)
    (held,) = claim(own)
    hold = (held.id, held.fence)

    told.by(lambda: run(own, lambda connection: holding.save(connection, hold, "1")))
    assert told.all == [{task_id}]
    progress = {hold: Progress(50, "half", "RUNNING")}
    told.by(lambda: run(own, lambda connection: holding.report(connection, progress)))
    assert told.all == [{task_id}]
    age_leases(own, task_id)
    assert told.by(lambda: sweep(own))[-1:] == [{task_id}]


def test_what_is_rolled_back_is_not_told(own: Engine, told: Told) -> None:
    (task_id,) = make(own)

    def fail() -> None:
        with own.connect() as connection:
            tasks.edit(connection, task_id, {"title": "b"})
            connection.rollback()
            commit(connection)

    assert told.by(fail) == []
    assert told.by(lambda: make(own)) != [{task_id}]


def test_a_connection_that_breaks_tells_nothing_and_fails_as_it_would(
    own: Engine, told: Told, engine: Engine
) -> None:
    (task_id,) = make(own)
    told.all.clear()
    with pytest.raises(OperationalError), own.connect() as connection:  # noqa: PT012
        tasks.edit(connection, task_id, {"title": "b"})
        me = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
        with engine.connect() as other:
            other.exec_driver_sql(f"KILL {me}")
        tasks.edit(connection, task_id, {"title": "b"})

    assert told.all == []


def test_a_settle_that_is_done_again_tells_once(own: Engine, told: Told) -> None:
    stopped, other = make(own, 2)
    held = claim(own, 2)
    apply(own, Verb.STOP, stopped)

    assert told.by(lambda: end(own, *(ended(each, Snoozed(0)) for each in held))) == [
        {stopped, other}
    ]


def test_a_notice_says_how_a_task_is_now(engine: Engine) -> None:
    hidden, waiting, deleted = make(engine, 3, queue="q")
    claim(engine)
    remove(engine, hidden, deleted)
    with engine.connect() as connection:
        notices = read(connection, [hidden, waiting, deleted])

    assert notices == [
        Notice(hidden, None, "deleted", None),
        Notice(waiting, row(engine, waiting)["version"], "to_do", "q"),
        Notice(deleted, None, "deleted", None),
    ]
