"""What operators do through the client, on a real API."""

import asyncio
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Engine

from reaper.batches import carry_on
from rowlease import AsyncClient, Batch, Client, Conflict, Invalid, NotFound
from schema import counts
from schema.runtime.stopping import Stopping
from schema.runtime.transactions import transaction
from tests.rows import claim, fail, make


def test_many_tasks_are_created_all_or_none(client: Client) -> None:
    made = client.tasks.create_many([{"title": str(number)} for number in range(3)])
    assert [each.title for each in made] == ["0", "1", "2"]

    with pytest.raises(Invalid) as caught:
        client.tasks.create_many([{"title": "good"}, {"title": ""}])
    assert [each.pointer for each in caught.value.errors] == ["/tasks/1/title"]
    assert len(list(client.tasks.list())) == 3


def test_or_those_are_created_that_can_be(client: Client) -> None:
    held = client.tasks.create(title="a", unique_key="k")

    report = client.tasks.create_some(
        [{"title": "good"}, {"title": ""}, {"title": "b", "unique_key": "k"}]
    )

    assert [each.title for each in report.created] == ["good"]
    invalid, taken = report.failed
    assert (invalid.index, invalid.errors[0].pointer) == (1, "/title")
    assert (taken.index, taken.code, taken.existing_id) == (2, "unique_key_taken", held.id)


def test_a_taken_key_is_a_conflict_or_the_task_that_there_is(client: Client) -> None:
    held = client.tasks.create(title="a", unique_key="k")

    with pytest.raises(Conflict) as caught:
        client.tasks.create(title="b", unique_key="k")
    assert caught.value.problem["existing_id"] == held.id

    assert client.tasks.create(title="b", unique_key="k", on_conflict="return").id == held.id


def test_verbs_are_done_to_many_tasks(engine: Engine, client: Client) -> None:
    ids = make(engine, 3)
    tasks = client.tasks

    assert tasks.pause_many(ids=ids[:2], reason="later").succeeded == 2
    assert tasks.resume_many(filter={"status": "paused"}, dry_run=True).requested == 2
    assert tasks.resume_many(filter={"status": ["paused"]}).succeeded == 2
    report = tasks.start_many(ids=[*ids, 10**9])
    assert [each.code for each in report.failed] == ["state_forbids"] * 3 + ["task_not_found"]
    assert [each.current_state for each in report.failed] == ["PENDING"] * 3 + [None]
    assert tasks.stop_many(filter={"queue": "default", "tag_match": "any"}).succeeded == 3
    assert tasks.delete_many(ids=ids).succeeded == 3
    assert list(tasks.list()) == []


def test_a_verb_on_more_than_1000_tasks_is_a_batch(engine: Engine, client: Client) -> None:
    make(engine, 1001)

    begun = client.tasks.stop_many(filter={"queue": "default"}, reason="all of them")

    assert isinstance(begun, Batch)
    assert begun.status == "running"
    carry_on(engine, Stopping())
    batch = client.batches.get(begun.id)
    assert (batch.status, batch.succeeded, batch.reason) == ("completed", 1001, "all of them")
    assert [(each.id, each.verb, each.requested) for each in client.batches.list(limit=1)] == [
        (begun.id, "stop", 1001)
    ]
    with pytest.raises(NotFound):
        client.batches.get(begun.id + 1)


def test_queues_are_kept(engine: Engine, client: Client) -> None:
    queues = client.queues
    made = queues.create(name="images", max_concurrency=2, rate_limit=5, rate_period_seconds=60)
    assert (made.max_concurrency, made.rate_limit, made.is_paused) == (2, 5, False)

    assert queues.edit("images", max_concurrency=None, timeout_seconds=9).max_concurrency is None
    paused = queues.pause("images", reason="full", seconds=60)
    assert (paused.paused_reason, paused.resume_at is None) == ("full", False)
    assert queues.resume("images", reason="empty").is_paused is False
    make(engine, queue="a.b:c")
    assert [each.name for each in queues.list(limit=1)] == ["a.b:c", "images"]
    assert queues.get("a.b:c").oldest_age_seconds is not None

    with pytest.raises(Conflict, match="queue_not_empty"):
        queues.delete("a.b:c")
    queues.delete("images")
    with pytest.raises(NotFound):
        queues.get("images")


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a?b", "队列", "a%2Fb"])
def test_a_name_never_leads_elsewhere(client: Client, name: str) -> None:
    with pytest.raises(NotFound):
        client.queues.get(name)
    with pytest.raises(NotFound):
        client.queues.delete(name)


def test_tags_are_kept(client: Client) -> None:
    task_id = client.tasks.create(title="a", tags=["a/b", "z"]).id
    client.tasks.create(title="b", tags=["a/b"])

    assert [(each.name, each.count) for each in client.tags.list(limit=1)] == [("a/b", 2), ("z", 1)]
    assert client.tags.rename("a/b", "图 ?").count == 2
    with pytest.raises(Conflict):
        client.tags.rename("z", "图 ?")
    client.tags.delete("图 ?")
    assert client.tasks.get(task_id).tags == ("z",)
    with pytest.raises(NotFound):
        client.tags.delete("图 ?")


def test_schedules_are_kept(client: Client) -> None:
    schedules = client.schedules
    made = schedules.create(
        name="daily",
        title="{name} {date}",
        cron="30 8 * * 1-5",
        timezone="Asia/Shanghai",
        task_end_time=date(2099, 2, 8),
        start_at=datetime(2031, 1, 1, tzinfo=UTC),
        payload={"a": 1},
    )
    assert (made.status, made.interval, made.task_end_time) == ("active", None, date(2099, 2, 8))
    first, second = schedules.next(made.id, count=2)
    assert first < second
    assert first == made.next_execution_time

    assert schedules.pause(made.id).next_execution_time is None
    assert schedules.next(made.id) == ()
    assert schedules.resume(made.id).status == "active"
    assert schedules.reorder(made.id, 3600).new_next_execution_time > first
    assert schedules.edit(made.id, interval=60, valid_time_range=None).cron is None
    task = schedules.run(made.id)
    assert task.schedule_id == made.id
    assert [each.id for each in schedules.tasks(made.id, status="to_do")] == [task.id]
    assert [each.name for each in schedules.list(status="active")] == ["daily"]
    assert schedules.get(made.id).payload == {"a": 1}
    assert [each.id for each in client.tasks.list(schedule_id=made.id)] == [task.id]

    schedules.delete(made.id)
    with pytest.raises(NotFound):
        schedules.get(made.id)


def test_the_dispatcher_is_stopped_and_started(engine: Engine, client: Client) -> None:
    make(engine)

    stopped = client.dispatcher.stop(reason="moving house")
    try:
        assert (stopped.is_running, stopped.reason) == (False, "moving house")
        assert claim(engine) == []
    finally:
        started = client.dispatcher.start()
    assert started.is_running
    (task,) = claim(engine)
    running = client.dispatcher.status()
    assert running.current_running_task is not None
    assert [each.task_id for each in running.current_running_tasks] == [task.id]


def test_the_overview_tells_what_is_wrong_and_how_everything_stands(
    engine: Engine, client: Client
) -> None:
    make(engine, 3)
    fail(engine, *claim(engine, 2), for_good=True)
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)

    found = client.overview.get(period="15m")

    assert [(each.code, each.queue) for each in found.alarms] == [("no_worker", None)]
    assert found.states is not None
    assert (found.states["PENDING"], found.states["FAILED"]) == (1, 2)
    assert sum(each.failed for each in found.throughput) == 2
    assert found.durations.running.p95 is not None
    assert [(each.error_class, each.tasks) for each in found.errors] == [("ValueError", 2)]
    assert (found.period, found.workers.alive) == ("15m", 0)


def test_the_async_client_operates_too(engine: Engine, url: str) -> None:
    make(engine, 2, queue="images")

    async def main() -> tuple[list[str], int, bool]:
        async with AsyncClient(url) as client:
            names = [each.name async for each in client.queues.list()]
            report = await client.tasks.stop_many(filter={"queue": names})
            return names, report.succeeded, (await client.dispatcher.status()).is_running

    assert asyncio.run(main()) == (["images"], 2, True)
