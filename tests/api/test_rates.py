"""How often one may ask, of one process and of several that share a Redis."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from api import rates
from api.main import build
from api.problems import Problem
from api.rates import Rates
from schema.runtime import redis_link
from schema.runtime.settings import Rate, Settings
from tests.api.process import api_process
from tests.api.requests import local_client, problem
from tests.cache_server import connect, frozen
from tools.servers import Redis

A, B = {"authorization": "Bearer a"}, {"authorization": "Bearer b"}


@pytest.fixture
def api(engine: Engine, database_url: str) -> Iterator[Callable[..., TestClient]]:  # noqa: ARG001  # empties the tables
    """Start the API with settings."""
    with ExitStack() as stack:

        def start(**chosen: Any) -> TestClient:
            settings = Settings(database_url=database_url, **chosen)
            return stack.enter_context(local_client(build(lambda: settings)))

        yield start


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Redis take its time: it may share two cores with much else."""
    monkeypatch.setattr(redis_link, "LIMIT_SECONDS", 5)


class Clock:
    """A clock that a test moves."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def refused(buckets: Rates, asker: str) -> int | None:
    """Return in how many seconds to come back, None when it was taken."""
    try:
        buckets.spend(asker)
    except Problem as refusal:
        return int((refusal.headers or {})["retry-after"])
    return None


def test_a_bucket_is_full_at_first_and_fills_up_again() -> None:
    clock = Clock()
    buckets = Rates(Rate(10, 60), clock)

    assert [refused(buckets, "a") for _ in range(12)] == [None] * 10 + [6, 6]
    assert refused(buckets, "b") is None
    clock.now += 5.9
    assert refused(buckets, "a") == 1
    clock.now += 0.2
    assert [refused(buckets, "a") for _ in range(2)] == [None, 6]
    clock.now += 1_000
    assert [refused(buckets, "a") for _ in range(11)] == [None] * 10 + [6]


def test_only_so_many_askers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_ASKERS", 3)
    buckets = Rates(Rate(1, 60), Clock())

    for asker in ("a", "b", "c", "d"):
        assert refused(buckets, asker) is None

    assert len(buckets._full_at) == 3
    assert refused(buckets, "d") == 60
    assert refused(buckets, "a") is None


def test_each_token_has_a_rate_of_its_own(api: Callable[..., TestClient]) -> None:
    client = api(client_tokens="a,b", rate_limit="3/600")

    assert [client.get("/tasks", headers=A).status_code for _ in range(5)] == [200] * 3 + [429] * 2
    assert client.get("/tasks", headers=B).status_code == 200
    assert client.get("/livez").status_code == 200
    response = client.get("/tasks", headers=A)
    assert "200 s" in problem(response, 429, "too_many")["detail"]
    assert response.headers["retry-after"] == "200"


def test_who_guesses_tokens_is_held_up_and_learns_nothing(api: Callable[..., TestClient]) -> None:
    client = api(client_tokens="a", operator_tokens="b", rate_limit="3/600")

    statuses = [
        client.get("/tasks", headers={"authorization": f"Bearer {guess}"}).status_code
        for guess in range(4)
    ]

    assert statuses == [401, 401, 401, 429]
    problem(client.get("/tasks", headers=A), 429, "too_many")


def test_without_tokens_this_machine_has_a_rate_too(api: Callable[..., TestClient]) -> None:
    client = api(rate_limit="2/600")

    assert [client.get("/tasks").status_code for _ in range(3)] == [200, 200, 429]


def statuses(client: TestClient, count: int, headers: dict[str, str] = A) -> list[int]:
    """Return how so many requests are answered."""
    return [client.get("/tasks", headers=headers).status_code for _ in range(count)]


@pytest.mark.usefixtures("engine")
def test_processes_that_share_a_redis_count_together(
    database_url: str, redis_server: Redis
) -> None:
    settings = {"REDIS_URL": redis_server.url, "RATE_LIMIT": "40/600", "CLIENT_TOKENS": "a"}
    with api_process(database_url, **settings) as one, api_process(database_url, **settings) as two:
        for process in (one, two):
            process.wait_until_up("/readyz")
        taken = 0
        for _ in range(40):
            for process in (one, two):
                taken += process.client.get("/tasks", headers=A).status_code == 200

        # An answer of Redis that comes late on a busy machine is counted for by the process.
        assert 40 <= taken < 60
        assert one.client.get("/tasks", headers=A).status_code == 429


@pytest.mark.usefixtures("patience")
def test_all_processes_tell_alike_when_to_come_back(
    api: Callable[..., TestClient], redis_server: Redis
) -> None:
    one, two = (
        api(client_tokens="a,b", rate_limit="3/600", redis_url=redis_server.url) for _ in range(2)
    )

    assert statuses(one, 2) + statuses(two, 2) == [200, 200, 200, 429]
    for client in (one, two):
        response = client.get("/tasks", headers=A)
        problem(response, 429, "too_many")
        assert response.headers["retry-after"] == "200"
        assert statuses(client, 1, B) == [200]


@pytest.mark.usefixtures("patience")
def test_who_guesses_tokens_of_one_process_is_held_up_by_all(
    api: Callable[..., TestClient], redis_server: Redis
) -> None:
    one, two = (
        api(client_tokens="a", rate_limit="3/600", redis_url=redis_server.url) for _ in range(2)
    )

    assert statuses(one, 4, {"authorization": "Bearer x"}) == [401, 401, 401, 429]
    assert statuses(two, 1) == [429]


@pytest.mark.usefixtures("patience")
def test_a_bucket_in_redis_goes_when_it_is_full_again(
    api: Callable[..., TestClient], redis_server: Redis
) -> None:
    client = api(client_tokens="a", rate_limit="3/600", redis_url=redis_server.url)

    statuses(client, 2)

    with connect(redis_server) as own:
        (key,) = own.keys("rowlease:*:rate:*")
        assert 390_000 < own.pttl(key) <= 400_001
        assert A["authorization"].split()[1] not in key.split(":")[-1].split()


@pytest.mark.usefixtures("patience")
def test_a_clock_that_was_put_back_locks_nobody_out(
    api: Callable[..., TestClient], redis_server: Redis
) -> None:
    client = api(client_tokens="a", rate_limit="3/600", redis_url=redis_server.url)
    statuses(client, 1)
    with connect(redis_server) as own:
        (key,) = own.keys("rowlease:*:rate:*")
        own.set(key, str(9e18))

    response = client.get("/tasks", headers=A)

    problem(response, 429, "too_many")
    assert response.headers["retry-after"] == "200"


def test_while_redis_is_away_each_process_counts(
    api: Callable[..., TestClient], redis_server: Redis
) -> None:
    client = api(client_tokens="a", rate_limit="3/600", redis_url=redis_server.url)

    with frozen(redis_server), capture_logs() as logs:
        assert statuses(client, 5) == [200, 200, 200, 429, 429]
    assert len([entry for entry in logs if entry["event"] == "redis trouble"]) <= 1


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("trouble", ["full", "read-only", "nonsense"])
def test_a_redis_that_cannot_count_is_done_without(
    api: Callable[..., TestClient], redis_server: Redis, trouble: str
) -> None:
    client = api(client_tokens="a", rate_limit="3/600", redis_url=redis_server.url)
    statuses(client, 1, B)
    with connect(redis_server) as own:
        if trouble == "full":
            own.config_set("maxmemory", 1)
        elif trouble == "read-only":
            own.replicaof("127.0.0.1", "1")
        else:
            statuses(client, 1)
            for key in own.keys("rowlease:*:rate:*"):
                own.delete(key)
                own.lpush(key, "x")

    found = statuses(client, 4)

    assert found == [200, 200, 200, 429]
