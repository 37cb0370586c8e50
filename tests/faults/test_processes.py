"""Processes that end, freeze or run full at a chosen moment."""

import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import run as run_command

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api.main import build
from schema.runtime.settings import Settings
from schema.runtime.transactions import transaction
from tests.api.requests import local_client
from tests.processes import Start
from tests.rows import attempts, claim, make, row, rows
from tests.waiting import wait_for
from tools.faults import handlers
from tools.faults.checker import check, report
from tools.faults.evidence import gather
from tools.servers import Database, database
from tools.servers.proxy import proxy
from tools.soak.stand import migrate

CARE = {"WORKER_DEAD_SECONDS": "3", "REAPER_INTERVAL_SECONDS": "0.2", "RETRY_BACKOFF_SECONDS": "0"}
CLAIMABLE_SECONDS = 15
SMALL = {
    "mysql": ["--innodb-redo-log-capacity=16M", "--disable-log-bin"],
    "mariadb": ["--innodb-log-file-size=16M"],
}

MOMENTS = {
    "it asks for work": b"FOR UPDATE SKIP LOCKED",
    "it takes the leases": b"fence = fence + 1",
    "it reads what it took": b"FROM task_payloads",
    "it commits the claim": b"COMMIT",
    "it writes the end": b"SET status = 'done'",
    "it records the attempt": b"INSERT INTO task_attempts",
}


QUICK = "it commits the claim"


@pytest.mark.parametrize(
    "moment",
    [QUICK, *(pytest.param(each, marks=pytest.mark.slow) for each in MOMENTS if each != QUICK)],
)
def test_a_worker_that_is_killed_at_any_step_loses_nothing(
    engine: Engine, start: Start, database_url: str, tmp_path: Path, moment: str
) -> None:
    effects = tmp_path / "effects"
    effects.touch()
    work = {"WORKER_HANDLERS": "tools.faults.handlers", "EFFECTS": str(effects)}
    with proxy(database_url) as way:
        worker = start("worker", DATABASE_URL=way.url, **work)
        worker.wait_for_event("worker started")
        way.freeze_at = MOMENTS[moment]
        (task_id,) = make(engine, task_type=handlers.COROUTINE, payload={"seconds": 0})
        wait_for(lambda: way.is_frozen)
        worker.kill()
        way.thaw()
    start("reaper", **CARE)
    start("worker", **work)

    wait_for(lambda: row(engine, task_id)["status"] == "done")

    evidence = gather(engine, effects=effects)
    broken = check(evidence)
    assert not broken, report(evidence, broken)


@pytest.mark.slow
def test_the_task_of_a_dead_worker_is_claimable_within_15_seconds_by_default(
    engine: Engine, start: Start
) -> None:
    (task_id,) = make(engine, task_type="sleep", payload={"seconds": 600}, timeout_seconds=3_600)
    worker = start("worker")
    start("reaper").wait_for_event("reaper started")
    wait_for(lambda: row(engine, task_id)["status"] == "in_progress")
    time.sleep(12)  # the reaper calls nobody dead before it has watched for ten seconds

    worker.kill()
    killed = time.monotonic()
    wait_for(lambda: claim(engine), seconds=CLAIMABLE_SECONDS + 5)

    assert time.monotonic() - killed < CLAIMABLE_SECONDS
    assert [each["outcome"] for each in attempts(engine, task_id)] == ["lost"]


HELD = """UPDATE tasks SET status = 'in_progress', fence = 1, worker_id = 'gone',
    started_at = UTC_TIMESTAMP(6), lease_expires_at = UTC_TIMESTAMP(6)"""


@pytest.mark.slow
def test_a_hundred_thousand_leases_that_end_together_hold_up_nobody(
    engine: Engine, start: Start
) -> None:
    for _ in range(100):
        make(engine, 1_000, queue="old", retry_limit=3)
    with transaction(engine) as connection:
        connection.exec_driver_sql(HELD)
    start("reaper").wait_for_event("reaper started")
    unfinished = "SELECT id FROM tasks WHERE status = 'in_progress' LIMIT 1"

    slowest = 0.0
    while rows(engine, unfinished):
        began = time.monotonic()
        (task_id,) = make(engine, queue="new")
        assert [task.id for task in claim(engine, queues=["new"])] == [task_id]
        slowest = max(slowest, time.monotonic() - began)
        with transaction(engine) as connection:
            connection.exec_driver_sql("DELETE FROM tasks WHERE queue = 'new'")

    assert slowest < 2
    assert rows(engine, "SELECT COUNT(*) AS n FROM task_attempts") == [{"n": 100_000}]
    spread = (
        "SELECT TIMESTAMPDIFF(MICROSECOND, MIN(available_at), MAX(available_at)) AS n FROM tasks"
    )
    assert rows(engine, spread)[0]["n"] > 500_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = run_command(
        ["mount", "-t", "tmpfs", "-o", "size=600m", "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    run_command(["umount", "-l", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_is_503_and_heals(small_disk: Path, server: Database) -> None:
    with database(server.kind, small_disk / "server", SMALL[server.kind]) as full:
        migrate(full.url)
        with local_client(build(lambda: Settings(database_url=full.url))) as client:
            assert create(client) == 201
            filler = small_disk / "filler"
            run_command(
                ["dd", "if=/dev/zero", f"of={filler}", "bs=1M"], capture_output=True, check=False
            )
            seen = {create(client) for _ in range(60)}
            filler.unlink()
            full.start()  # MariaDB ends itself when its disk is full; MySQL waits

            wait_for(lambda: create(client) == 201, seconds=90)
            assert 503 in seen
            assert seen <= {201, 503}
            assert client.get("/livez").status_code == 200


def create(client: TestClient) -> int:
    """Create a task that takes room, and return the status of the answer."""
    body = {"title": "a task", "payload": {"text": "x" * 200_000}}
    return int(client.post("/tasks", json=body).status_code)
