"""Runs of RunningHub whose tasks end while nobody watches them."""

from typing import Any

import orjson
import pytest
from sqlalchemy import Engine

from schema import leases, verbs, workers
from schema.runtime.transactions import transaction
from schema.states import Verb
from schema.verbs import Order
from schema.workers import WorkerDescription
from tests.rows import (
    AT_ONCE,
    WORKER,
    age_leases,
    change,
    claim,
    fail,
    make,
    row,
    rows,
    succeed,
    sweep,
)

RUN = {"step": "accepted", "run_id": "1910246754753896450"}


def make_workflow(engine: Engine, checkpoint: Any = RUN, **fields: Any) -> int:
    """Create a workflow that is at this checkpoint."""
    how = {"task_type": "runninghub", "queue": "runninghub:second"} | fields
    (task_id,) = make(engine, **how)
    if checkpoint is not None:
        change(engine, task_id, f"checkpoint = '{orjson.dumps(checkpoint).decode()}'")
    return task_id


def order(engine: Engine, verb: Verb, *task_ids: int) -> None:
    with transaction(engine) as connection:
        verbs.apply(connection, Order(verb, "somebody"), task_ids)


def cancellations(engine: Engine) -> list[dict[str, Any]]:
    """Return what was made to cancel runs."""
    found = rows(
        engine,
        "SELECT tasks.*, payload FROM tasks JOIN task_payloads ON task_id = id"
        " WHERE queue = 'cancellations' ORDER BY id",
    )
    return [each | {"payload": orjson.loads(each["payload"])} for each in found]


@pytest.mark.parametrize("verb", [Verb.STOP, Verb.DELETE])
def test_a_run_whose_task_waits_to_be_taken_over_is_cancelled(engine: Engine, verb: Verb) -> None:
    task_id, other_id = make_workflow(engine), make_workflow(engine)

    order(engine, verb, task_id)
    order(engine, verb, task_id)

    [made] = cancellations(engine)
    assert (made["task_type"], made["status"]) == ("runninghub.cancel", "to_do")
    assert made["payload"] == {"queue": "runninghub:second", "run_id": RUN["run_id"]}
    assert str(task_id) in made["title"]
    assert row(engine, other_id)["status"] == "to_do"


@pytest.mark.parametrize(
    ("checkpoint", "fields"),
    [
        (None, {}),
        ({"step": "new"}, {}),
        ({"step": "creating", "run_id": None}, {}),
        (5, {}),
        (RUN, {"task_type": "default"}),
        (RUN, {"queue": "default", "task_type": "default"}),
    ],
)
@pytest.mark.parametrize("verb", [Verb.STOP, Verb.DELETE])
def test_where_there_is_no_run_none_is_cancelled(
    engine: Engine, verb: Verb, checkpoint: Any, fields: dict[str, Any]
) -> None:
    order(engine, verb, make_workflow(engine, checkpoint, **fields))

    assert cancellations(engine) == []


def test_a_task_that_has_ended_leaves_no_run_to_cancel(engine: Engine) -> None:
    task_id = make_workflow(engine)
    change(engine, task_id, "status = 'failed', finished_at = UTC_TIMESTAMP(6)")

    order(engine, Verb.DELETE, task_id)

    assert cancellations(engine) == []


@pytest.mark.parametrize("verb", [Verb.STOP, Verb.DELETE])
def test_a_stop_whose_worker_is_gone_has_its_run_cancelled(engine: Engine, verb: Verb) -> None:
    task_id = make_workflow(engine)
    claim(engine)
    order(engine, verb, task_id)
    assert cancellations(engine) == []  # its worker sees to it
    age_leases(engine, task_id)

    assert sweep(engine) == 1

    assert len(cancellations(engine)) == 1


def test_a_stop_that_nobody_heeds_has_its_run_cancelled(engine: Engine) -> None:
    task_id = make_workflow(engine)
    claim(engine)
    order(engine, Verb.STOP, task_id)

    with transaction(engine) as connection:
        assert leases.cancel(connection, [task_id], AT_ONCE, grace_seconds=0) == 1

    assert len(cancellations(engine)) == 1


@pytest.mark.parametrize(("retry_limit", "count"), [(0, 1), (1, 0)])
def test_a_lease_that_ends_alone_has_its_run_cancelled_if_it_was_the_last(
    engine: Engine, retry_limit: int, count: int
) -> None:
    task_id = make_workflow(engine, retry_limit=retry_limit)
    claim(engine)
    age_leases(engine, task_id)

    sweep(engine)

    assert len(cancellations(engine)) == count


@pytest.mark.parametrize("checkpoint", [RUN, None])
def test_a_worker_that_dies_leaves_the_run_to_the_next(engine: Engine, checkpoint: Any) -> None:
    task_id = make_workflow(engine, checkpoint, retry_limit=0)
    claim(engine)
    with transaction(engine) as connection:
        workers.register(connection, WORKER, WorkerDescription("host", 1, "0", ["*"], [], 10))
        workers.leave(connection, WORKER)
        leases.expire(connection, [task_id], AT_ONCE)

    assert row(engine, task_id)["status"] == "to_do"
    assert row(engine, task_id)["lost_count"] == 1
    assert cancellations(engine) == []


@pytest.mark.parametrize(("checkpoint", "count"), [(RUN, 1), ({"step": "new"}, 0)])
@pytest.mark.parametrize("verb", [Verb.STOP, Verb.DELETE])
def test_a_stopped_worker_leaves_a_run_to_cancel_unless_it_says_that_it_did(
    engine: Engine, verb: Verb, checkpoint: Any, count: int
) -> None:
    make_workflow(engine, checkpoint)
    [claimed] = claim(engine)
    order(engine, verb, claimed.id)

    fail(engine, claimed)

    assert len(cancellations(engine)) == count


def test_a_stopped_one_that_succeeds_has_no_run_left(engine: Engine) -> None:
    make_workflow(engine)
    [claimed] = claim(engine)
    order(engine, Verb.STOP, claimed.id)

    succeed(engine, claimed)

    assert cancellations(engine) == []


def test_a_task_that_is_started_anew_has_its_run_cancelled(engine: Engine) -> None:
    paused, failed = make_workflow(engine), make_workflow(engine)
    order(engine, Verb.PAUSE, paused)
    change(engine, failed, "status = 'failed', finished_at = UTC_TIMESTAMP(6)")

    order(engine, Verb.START, paused, failed)

    assert [each["title"].split()[-1] for each in cancellations(engine)] == [str(paused)]
    assert row(engine, paused)["checkpoint"] is None


def test_a_start_that_is_refused_leaves_the_run_alone(engine: Engine) -> None:
    other = make_workflow(engine, None, unique_key="k")
    change(engine, other, "status = 'failed', finished_at = UTC_TIMESTAMP(6)")
    make_workflow(engine, unique_key="k")

    order(engine, Verb.START, other)

    assert cancellations(engine) == []
