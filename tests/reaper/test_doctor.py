"""`python -m reaper --doctor`, /readyz?verbose, and what the reaper warns of by itself."""

import time
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from api.main import build
from reaper.watch import Watch
from schema import pressure
from schema.pressure import Pressure, Snapshot
from schema.runtime.settings import Settings
from tests.api.requests import local_client
from tests.processes import Start
from tests.waiting import wait_for

NOWHERE = "mysql://root@127.0.0.1:1/none"


def test_each_finding_is_a_line_and_doubts_are_no_fault(engine: Engine, start: Start) -> None:  # noqa: ARG001
    doctor = start("reaper", "--doctor")

    assert doctor.wait() == 0
    lines = doctor.output.read_text().splitlines()
    assert {line.split()[0] for line in lines} == {"ok", "doubt"}
    assert "doubt  workers   none is alive. Start one: python -m worker." in lines
    assert not doctor.errors.read_text()


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"DATABASE_URL": NOWHERE}, "fault  database  127.0.0.1:1/none: Can't connect"),
        ({"REAPER_INTERVAL_SECONDS": "0"}, "fault  settings  REAPER_INTERVAL_SECONDS: "),
    ],
)
def test_a_fault_is_the_exit_code(start: Start, environment: dict[str, str], line: str) -> None:
    doctor = start("reaper", "--doctor", **environment)

    assert doctor.wait() == 1
    assert doctor.output.read_text().startswith(line)


def test_an_unknown_option_is_refused(start: Start) -> None:
    assert start("reaper", "--wat").wait() == 2


def test_readyz_tells_what_to_do_and_no_secrets(engine: Engine, database_url: str) -> None:  # noqa: ARG001
    with local_client(build(lambda: Settings(database_url=database_url))) as client:
        plain, verbose = _ready(client, ""), _ready(client, "?verbose")

    assert plain == {"status": "ok", "dispatcher": "running"}
    workers = {"about": "workers", "word": "doubt", "remedy": "Start one: python -m worker."}
    assert workers in verbose["checks"]
    assert len(verbose["checks"]) == 16
    assert "root" not in str(verbose)


def _ready(client: TestClient, query: str) -> dict[str, Any]:
    response = client.get(f"/readyz{query}")
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


OLD = Snapshot(7, "ann", "desk", 600)


def test_the_watch_warns_once_and_says_when_it_is_over(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [
        Pressure(5, None),
        Pressure(200_000, OLD),
        Pressure(300_000, Snapshot(7, "ann", "desk", 615)),
        Pressure(5, None),
        Pressure(5, None),
    ]
    monkeypatch.setattr(pressure, "look", lambda _: seen.pop(0))
    look = Watch(engine)

    with capture_logs() as log:
        while seen:
            look()

    assert [(line["log_level"], line.get("thread")) for line in log] == [
        ("warning", 7),
        ("warning", None),
        ("info", None),
        ("info", None),
    ]


def test_the_watch_sees_a_transaction_that_stays_open(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressure, "OLD_SECONDS", 0)
    look = Watch(engine)

    def warned() -> bool:
        time.sleep(0.2)  # asked more often, InnoDB shows again what it showed before
        look()
        return bool(log)

    with engine.connect() as idle, capture_logs() as log:
        idle.exec_driver_sql("SELECT * FROM queues FOR UPDATE").all()
        wait_for(warned)
        idle.rollback()

    assert [line["user"] for line in log] == ["root"]


def test_who_may_not_look_says_so_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> Pressure:
        raise OperationalError("SELECT", {}, Exception(1227, "you need PROCESS"))

    monkeypatch.setattr(pressure, "look", refuse)
    look = Watch(engine)

    with capture_logs() as log:
        look()
        look()

    assert [line["event"] for line in log] == ["the purge is not watched: the user has not PROCESS"]
