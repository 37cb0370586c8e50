"""Change notices reach who listens, and never hold up who works."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from schema.announcing import announced
from schema.runtime import notices
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_thread_engine
from schema.runtime.settings import Settings
from tests.cache_server import connect, frozen, listening
from tests.processes import Start
from tests.rows import claim, make, remove, row, succeed
from tests.waiting import wait_for
from tools.servers import Redis
from tools.servers.ports import free_port


@contextmanager
def announcing(database_url: str, redis_url: str) -> Iterator[Engine]:
    """An engine whose commits are announced."""
    engine = create_thread_engine(DatabaseAddress.parse(database_url), connections=2)
    with announced(Settings(database_url=database_url, redis_url=redis_url), engine):
        yield engine
    engine.dispose()


@pytest.fixture
def own(engine: Engine, database_url: str, redis_server: Redis) -> Iterator[Engine]:  # noqa: ARG001  # empties the tables
    with announcing(database_url, redis_server.url) as made:
        yield made


def test_a_batch_is_one_message_and_messages_are_numbered(own: Engine, redis_server: Redis) -> None:
    with listening(redis_server) as listener:
        made = make(own, 300, queue="q")
        listener.wait_for(*((task_id, "to_do") for task_id in made))
        succeed(own, *claim(own, 1))
        listener.wait_for((made[0], "done"))

    assert listener.messages[0]["changes"][0] == {
        "id": made[0],
        "version": 1,
        "status": "to_do",
        "queue": "q",
    }
    assert len(listener.messages[0]["changes"]) == 300
    numbers = [message["number"] for message in listener.messages]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {message["dropped"] for message in listener.messages} == {False}


def test_a_deletion_is_told(own: Engine, redis_server: Redis) -> None:
    (task_id,) = make(own)
    with listening(redis_server) as listener:
        remove(own, task_id)
        listener.wait_for((task_id, "deleted"))

    assert listener.messages[-1]["changes"][-1]["version"] is None


def test_worker_and_reaper_tell_what_they_do(
    engine: Engine, redis_server: Redis, start: Start
) -> None:
    with listening(redis_server) as listener:
        start("reaper", REDIS_URL=redis_server.url).wait_for_event("reaper started")
        (lost,) = make(engine)
        claim(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE tasks SET lease_expires_at = UTC_TIMESTAMP(6), retry_limit = 0"
            )
        listener.wait_for((lost, "failed"))
        worker = start("worker", REDIS_URL=redis_server.url)
        (worked,) = make(engine, task_type="sleep", payload={"seconds": 0.3})
        listener.wait_for((worked, "in_progress"), (worked, "done"))
        assert worker.stop() == 0


@pytest.mark.parametrize("trouble", ["away", "frozen"])
def test_redis_in_trouble_costs_who_works_nothing_and_is_one_line(
    engine: Engine, database_url: str, redis_server: Redis, trouble: str
) -> None:
    url = redis_server.url if trouble == "frozen" else f"redis://127.0.0.1:{free_port()}/0"
    with frozen(redis_server), capture_logs() as lines, announcing(database_url, url) as own:
        wait_for(lambda: make(own) and lines)

        began = time.monotonic()
        for _ in range(50):
            make(own)
        assert time.monotonic() - began < 1

        assert [line["event"] for line in lines] == ["redis trouble"]
    assert len(make(engine)) == 1


def test_after_an_outage_the_next_message_says_that_some_were_dropped(
    engine: Engine, database_url: str, redis_server: Redis
) -> None:
    redis_server.kill()
    with capture_logs() as lines, announcing(database_url, redis_server.url) as own:
        make(own)
        wait_for(lambda: lines)
        redis_server.start()
        with listening(redis_server) as listener:
            wait_for(lambda: len(lines) == 2)
            (task_id,) = make(own)
            listener.wait_for((task_id, "to_do"))

        assert [message["dropped"] for message in listener.messages] == [True]
        assert [line["event"] for line in lines] == ["redis trouble", "redis trouble is over"]
    assert row(engine, task_id)["status"] == "to_do"


def test_more_than_can_wait_is_dropped_and_told_so(
    own: Engine, redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "MOST_WAITING", 5)
    with listening(redis_server) as listener:
        make(own, 10)
        (task_id,) = make(own)
        listener.wait_for((task_id, "to_do"))

    assert [message["dropped"] for message in listener.messages] == [True]


def test_a_full_or_read_only_redis_still_publishes(own: Engine, redis_server: Redis) -> None:
    with listening(redis_server) as listener, connect(redis_server) as client:
        client.config_set("maxmemory", 1)
        (full,) = make(own)
        listener.wait_for((full, "to_do"))
        client.config_set("maxmemory", 0)
        client.replicaof("127.0.0.1", "1")
        (read_only,) = make(own)
        listener.wait_for((read_only, "to_do"))
