"""The overview over HTTP."""

from sqlalchemy import Engine
from starlette.testclient import TestClient

from schema import counts
from schema.runtime.transactions import transaction
from tests.api.requests import faults
from tests.rows import claim, fail, make, succeed


def test_it_tells_how_everything_stands(client: TestClient, engine: Engine) -> None:
    make(engine, 4, queue="a")
    claimed = claim(engine, 3)
    succeed(engine, *claimed[:2])
    fail(engine, claimed[2], for_good=True)
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)

    found = client.get("/overview").json()

    assert found["period"] == "1h"
    assert found["states"]["SUCCESS"] == 2
    assert found["states"]["PENDING"] == 1
    assert [each["code"] for each in found["alarms"]] == ["no_worker"]
    assert found["workers"] == {"alive": 0, "draining": 0, "stale": 0, "slots": 0}
    assert len(found["throughput"]) == 60
    assert sum(each["succeeded"] for each in found["throughput"]) == 2
    assert found["durations"]["attempts"] == 3
    assert found["durations"]["running"] == {"p50": 0.005, "p95": 0.005}
    assert [(each["error_class"], each["tasks"]) for each in found["errors"]] == [("ValueError", 1)]
    assert found["ended_per_minute"] == {"a": 0.6}
    assert found["oldest_age_seconds"] > 0


def test_it_says_so_where_nothing_is_known(client: TestClient) -> None:
    found = client.get("/overview?period=7d").json()

    assert found["states"] is None
    assert found["alarms"] == []
    assert found["durations"]["waiting"] == {"p50": None, "p95": None}
    assert len(found["throughput"]) == 56


def test_a_period_that_there_is_not_is_refused(client: TestClient) -> None:
    assert faults(client.get("/overview?period=2h")).keys() == {"/period"}
