"""A worker's sign of life for who cannot ask the database."""

from pathlib import Path

from sqlalchemy import Engine
from structlog.testing import capture_logs

from tests.processes import Start
from tests.waiting import wait_for
from worker.pulse import pulse_in


def test_a_worker_touches_its_file_as_long_as_its_heart_beats(
    engine: Engine,  # noqa: ARG001  # migrates
    start: Start,
    tmp_path: Path,
) -> None:
    file = tmp_path / "alive"
    worker = start("worker", WORKER_HEALTH_FILE=str(file))
    wait_for(file.exists)
    before = file.stat().st_mtime_ns
    wait_for(lambda: file.stat().st_mtime_ns > before)
    assert worker.stop() == 0


def test_a_file_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    pulse = pulse_in(str(tmp_path / "missing" / "alive"))
    with capture_logs() as logs:
        pulse()
        pulse()
    assert [each["event"] for each in logs] == ["WORKER_HEALTH_FILE cannot be written"]
