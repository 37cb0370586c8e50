"""Workflows as rows: what their queues are given, and what they get themselves."""

from typing import Any

import pytest
from sqlalchemy import Engine

from schema import hub_queues, tasks
from schema.new_task import NewTask
from schema.runtime.settings import Settings
from schema.runtime.transactions import transaction
from tests.rows import limit, make, row, rows

KEYS = "first=a1,second=b2#3"


@pytest.fixture(autouse=True)
def _nothing_is_remembered(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.exec_driver_sql("DELETE FROM settings WHERE name = 'runninghub_queues'")


def provide(engine: Engine, **settings: Any) -> None:
    configured = Settings(database_url="mysql://h/d", runninghub_keys=KEYS, **settings)
    with transaction(engine) as connection:
        hub_queues.provide(connection, hub_queues.limits_of(configured))


def queue(engine: Engine, name: str = "runninghub") -> tuple[Any, ...]:
    [found] = rows(engine, f"SELECT * FROM queues WHERE name = '{name}'")
    return found["max_concurrency"], found["timeout_seconds"], found["retry_limit"]


def test_each_key_has_a_queue_with_its_limit(engine: Engine) -> None:
    provide(engine)

    assert queue(engine) == (1, 2_400, 0)
    assert queue(engine, "runninghub:first") == (1, 2_400, 0)
    assert queue(engine, "runninghub:second") == (3, 2_400, 0)
    assert hub_queues.limits_of(Settings(database_url="mysql://h/d")) == {}


def test_a_queue_that_was_there_gets_what_it_lacks(engine: Engine) -> None:
    limit(engine, "runninghub", max_concurrency=7)

    provide(engine)

    assert queue(engine) == (7, 2_400, 0)


def test_changed_settings_hold_from_the_next_start_on(engine: Engine) -> None:
    provide(engine)

    provide(engine, max_concurrent_tasks=2, task_timeout_minutes=60)

    assert queue(engine) == (2, 4_200, 0)
    assert queue(engine, "runninghub:second") == (3, 4_200, 0)


def test_what_an_operator_set_stays(engine: Engine) -> None:
    provide(engine)
    limit(engine, "runninghub", max_concurrency=5)

    provide(engine, max_concurrent_tasks=2)
    provide(engine, max_concurrent_tasks=3)

    assert queue(engine) == (5, 2_400, 0)


def test_a_workflow_is_not_repeated_and_has_time_for_its_run(engine: Engine) -> None:
    (plain,) = make(engine)
    (workflow,) = make(engine, task_type="runninghub", queue="runninghub")
    limit(engine, "runninghub", timeout_seconds=900, retry_limit=2)
    (given,) = make(engine, task_type="runninghub", queue="runninghub")
    (asked,) = make(engine, task_type="runninghub", queue="runninghub", timeout_seconds=60)

    found = [row(engine, task_id) for task_id in (plain, workflow, given, asked)]

    shown = [(each["timeout_seconds"], each["retry_limit"]) for each in found]
    assert shown == [(300, 3), (2_400, 0), (900, 2), (60, 2)]


def test_rows_tell_the_workflow_and_how_many_nodes_are_set(engine: Engine) -> None:
    nodes = [{"nodeId": "6", "fieldName": "text", "fieldValue": "x"}]
    payload = {"workflow_id": "1", "workflow_name": "图片合成", "node_info_list": nodes * 2}
    new = [
        NewTask(title="a", task_type="runninghub", queue="runninghub", payload=payload),
        NewTask(
            title="b", task_type="runninghub", queue="runninghub", payload={"workflow_id": "1"}
        ),
        NewTask(title="c", payload=payload),
    ]
    with transaction(engine) as connection:
        ids = tasks.create(connection, new)

    found = [row(engine, task_id) for task_id in ids]

    shown = [(each["workflow_name"], each["node_count"]) for each in found]
    assert shown == [("图片合成", 2), (None, 0), (None, None)]
