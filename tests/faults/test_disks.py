"""Full disks: of the server, and of a worker."""

from pathlib import Path

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api.main import build
from schema.runtime.settings import Settings
from tests import processes
from tests.api.requests import local_client
from tests.faults.disks import fill, small_disk
from tests.processes import Running
from tests.rows import make, row
from tests.waiting import wait_for
from tools.servers import Database, database
from tools.soak.stand import migrate

pytestmark = pytest.mark.slow

SMALL = {
    "mysql": ["--innodb-redo-log-capacity=16M", "--disable-log-bin"],
    "mariadb": ["--innodb-log-file-size=16M"],
}
NO_ROOM = "No space left on device"


def test_a_full_disk_is_503_and_heals(tmp_path: Path, server: Database) -> None:
    with (
        small_disk(tmp_path / "disk", "600m") as disk,
        database(server.kind, disk / "server", SMALL[server.kind]) as full,
    ):
        migrate(full.url)
        with local_client(build(lambda: Settings(database_url=full.url))) as client:
            assert create(client) == 201
            filler = fill(disk)
            seen = {create(client) for _ in range(60)}
            filler.unlink()

            def heals() -> bool:
                full.start()  # MariaDB ends itself when its disk is full; MySQL waits
                return create(client) == 201

            wait_for(heals, seconds=90)
            assert 503 in seen
            assert seen <= {201, 503}
            assert client.get("/livez").status_code == 200


def create(client: TestClient) -> int:
    """Create a task that takes room, and return the status of the answer."""
    body = {"title": "a task", "payload": {"text": "x" * 200_000}}
    return int(client.post("/tasks", json=body).status_code)


def test_a_worker_whose_disk_is_full_fails_only_what_needs_it(
    engine: Engine, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        worker = start_worker(disk)
        try:
            filler = fill(disk)
            failed = make_keeping(engine)
            others = [make(engine, task_type=f"{kind}.context")[0] for kind in KINDS]
            wait_for(lambda: row(engine, failed)["status"] == "failed")
            for task_id in others:
                wait_for(lambda task_id=task_id: row(engine, task_id)["status"] == "done")  # type: ignore[misc]
            filler.unlink()
            kept = make_keeping(engine)
            wait_for(lambda: row(engine, kept)["status"] == "done")
            fill(disk)
            make(engine, task_type="async.context")

            assert worker.stop() == 0
            assert NO_ROOM in row(engine, failed)["last_error"]
        finally:
            worker.kill()


KINDS = ("async", "def", "thread")


def make_keeping(engine: Engine) -> int:
    """Make a task that stores a file."""
    what = {"megabytes": 1}
    return make(engine, task_type="thread.keep", payload=what, retry_limit=0)[0]


def start_worker(disk: Path) -> Running:
    """Start a worker whose log, temporary files and store are on a disk."""
    worker = processes.start(
        disk,
        "worker",
        0,
        TMPDIR=str(disk),
        FILES_URL=str(disk / "files"),
        WORKER_HANDLERS="tests.worker.sample_handlers",
    )
    worker.wait_for_event("worker started")
    return worker
