"""Processes that end or freeze at a chosen moment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from schema.runtime.transactions import transaction
from tests.processes import Start
from tests.rows import attempts, claim, make, row, rows
from tests.waiting import wait_for
from tools.faults import handlers
from tools.faults.checker import check, report
from tools.faults.evidence import gather
from tools.servers.proxy import proxy

CARE = {"WORKER_DEAD_SECONDS": "3", "REAPER_INTERVAL_SECONDS": "0.2", "RETRY_BACKOFF_SECONDS": "0"}
CLAIMABLE_SECONDS = 15

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


@pytest.fixture
def as_process_one(
    engine: Engine,  # noqa: ARG001  # the server is none of them
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Have processes be started as the first of a PID namespace, as in a container."""
    words = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no PID namespace can be made here")
    wrapped = tmp_path / "python"
    wrapped.write_text(f'#!/bin/sh\nexec {" ".join(words)} {sys.executable} "$@"\n')
    wrapped.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(wrapped))


@pytest.mark.slow
@pytest.mark.usefixtures("as_process_one")
@pytest.mark.parametrize("kind", ["async", "def", "thread"])
def test_a_worker_drains_as_process_one_of_a_container(
    engine: Engine, start: Start, tmp_path: Path, kind: str
) -> None:
    marks = tmp_path / "marks"
    marks.touch()
    payload = {"seconds": 30, "marks": str(marks)}
    (task_id,) = make(engine, task_type=f"{kind}.sleep", payload=payload, timeout_seconds=600)
    own = {"WORKER_HANDLERS": "tests.worker.sample_handlers", "WORKER_GRACE_SECONDS": "1"}
    worker = start("worker", **own)
    wait_for(marks.read_text)

    (inner,) = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    os.kill(int(inner), signal.SIGTERM)

    assert worker.wait() == 0
    assert [each["outcome"] for each in attempts(engine, task_id)] == ["released"]
    assert row(engine, task_id)["current_retry_count"] == 0


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
