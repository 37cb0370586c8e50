"""The worker that starts anew: --watch."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.processes import Running, Start
from tests.rows import attempts, make, rows
from tests.waiting import wait_for
from tests.worker.command import status_of, write_module

SAYING = """
import asyncio
from pathlib import Path
from worker import handler

@handler("say")
async def say(context, payload):
    Path(payload["marks"]).write_text("begun")
    await asyncio.sleep(payload["seconds"])
    return "{word}"
"""


def write(folder: Path, word: str) -> Mapping[str, str]:
    """Write the module `said`, whose handler says a word."""
    return write_module(folder / "modules", "said", SAYING.replace("{word}", word))


@pytest.fixture
def watched(start: Start, tmp_path: Path) -> Running:
    """A worker that watches a folder of its own and the module `said`."""
    here = tmp_path / "here"
    for folder in (here, tmp_path / "modules"):
        folder.mkdir()
    worker = start("worker", "--watch", cwd=here, **write(tmp_path, "one"))
    worker.wait_for_event("worker started")
    return worker


def say(engine: Engine, marks: Path, seconds: float = 0) -> int:
    payload = {"marks": str(marks), "seconds": seconds}
    (task_id,) = make(engine, task_type="say", payload=payload)
    return task_id


def result(engine: Engine, task_id: int) -> Any:
    wait_for(lambda: status_of(engine, task_id) == ["done"])
    return attempts(engine, task_id)[-1]["result"]


def test_a_change_starts_the_worker_anew_when_what_ran_has_ended(
    engine: Engine, watched: Running, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    running = say(engine, marks, seconds=1.5)
    wait_for(marks.exists)

    write(tmp_path, "two")
    watched.wait_for_event("worker draining")
    waiting = say(engine, marks)

    assert result(engine, waiting) == '"two"'
    assert result(engine, running) == '"one"'
    assert [len(attempts(engine, each)) for each in (running, waiting)] == [1, 1]
    assert watched.stop() == 0


def test_a_broken_file_is_waited_for_until_it_is_mended(
    engine: Engine, watched: Running, tmp_path: Path
) -> None:
    write_module(tmp_path / "modules", "said", "import")
    assert watched.wait_for_event("the worker ended; the next change starts it anew")["code"] == 2
    assert "said cannot be imported: SyntaxError" in watched.errors.read_text()

    write(tmp_path, "mended")

    assert result(engine, say(engine, tmp_path / "marks")) == '"mended"'
    assert watched.stop() == 0


def test_files_below_the_current_directory_count_but_not_hidden_ones_or_environments(
    watched: Running, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    (here / "environment").mkdir()
    (here / "environment" / "pyvenv.cfg").touch()
    for name in ("environment", ".hidden", "__pycache__", "package"):
        (here / name).mkdir(exist_ok=True)
        (here / name / "new.py").touch()

    event = watched.wait_for_event("files changed: the worker starts anew")

    assert event["files"] == [str(here / "package" / "new.py")]


def test_it_stops_on_sigterm_and_takes_its_worker_along(engine: Engine, watched: Running) -> None:
    assert watched.stop() == 0

    assert rows(engine, "SELECT status FROM workers") == [{"status": "stopped"}]


def test_a_second_signal_is_passed_on(engine: Engine, watched: Running, tmp_path: Path) -> None:
    running = say(engine, tmp_path / "marks", seconds=30)
    wait_for((tmp_path / "marks").exists)

    watched.send(signal.SIGINT)
    watched.wait_for_event("worker draining")
    watched.send(signal.SIGINT)

    assert watched.wait() == 0
    assert status_of(engine, running) == ["to_do"]


def test_its_worker_drains_when_it_is_killed(engine: Engine, watched: Running) -> None:
    watched.kill()

    wait_for(lambda: rows(engine, "SELECT status FROM workers") == [{"status": "stopped"}])
