"""The workers of docs/work-over-http.md, run as they stand there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.api.process import ROOT, ApiProcess, api_process
from tests.waiting import wait_for

DOCUMENT = (ROOT / "docs" / "work-over-http.md").read_text()
MOST_LINES = 60


def block(language: str) -> str:
    """Return the one block of a language that the page has."""
    _, _, rest = DOCUMENT.partition(f"```{language}\n")
    return rest.partition("```")[0]


@pytest.fixture
def api(engine: Engine, database_url: str) -> Iterator[ApiProcess]:  # noqa: ARG001  # empties the tables
    with api_process(database_url, RETRY_BACKOFF_SECONDS="0") as process:
        process.wait_until_up("/readyz")
        yield process


@pytest.fixture(params=["python", "sh"])
def worker(
    request: pytest.FixtureRequest, api: ApiProcess, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """One of the workers, as a process; its language is the queue that it takes."""
    for program in ("curl", "jq") if request.param == "sh" else ():
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    script = tmp_path / f"worker.{request.param}"
    script.write_text(block(request.param))
    program = sys.executable if request.param == "python" else "sh"
    process = subprocess.Popen(
        [program, str(script)],
        env=os.environ | {"ROWLEASE_URL": str(api.client.base_url).rstrip("/")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.terminate()
    process.wait(20)


def create(api: ApiProcess, worker: subprocess.Popen[bytes], payload: Any) -> int:
    queue = "shell" if worker.args[0] == "sh" else "python"  # type: ignore[index]
    task = {"title": "a", "task_type": "shout", "queue": queue, "payload": payload}
    created = api.client.post("/tasks", json=task | {"retry_limit": 0}).json()
    return int(created["id"])


def status(api: ApiProcess, task_id: int) -> str:
    return str(api.client.get(f"/tasks/{task_id}").json()["status"])


def test_the_workers_of_the_page_run_stop_and_leave(
    api: ApiProcess, worker: subprocess.Popen[bytes]
) -> None:
    good = create(api, worker, {"text": "hello"})
    bad = create(api, worker, {"seconds": 0})
    wait_for(lambda: status(api, bad) == "failed")
    done, failed = (api.client.get(f"/tasks/{task_id}").json() for task_id in (good, bad))
    assert done["status"] == "done"
    assert done["result"] in ({"text": "HELLO"}, "HELLO")
    assert "text" in failed["last_error"]

    stopped = create(api, worker, {"text": "long", "seconds": 60})
    wait_for(lambda: status(api, stopped) == "in_progress")
    api.client.post(f"/tasks/{stopped}/stop")
    wait_for(lambda: status(api, stopped) == "cancelled")

    worker.terminate()
    assert worker.wait(20) == 0
    (shown,) = api.client.get("/workers").json()
    assert (shown["status"], shown["tasks"]) == ("stopped", [])


@pytest.mark.parametrize("language", ["python", "sh"])
def test_the_workers_of_the_page_are_short(language: str) -> None:
    lines = [line for line in block(language).splitlines() if line.strip()]

    assert 20 < len(lines) <= MOST_LINES
