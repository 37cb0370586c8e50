"""Clocks that are wrong, or jump: the database's decides, whatever it says.

libfaketime tells a process another time; only the server's, or only those of our processes.
"""

import time
from pathlib import Path

import pytest

from tests.conftest import UNSAFE
from tests.faults.working import at_work
from tests.waiting import wait_for
from tools.faults.checker import Expected
from tools.servers import Database, database
from tools.soak.stand import System

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed"),
]

HOUR = 3_600
JUMPING = Expected(slack_seconds=2 * HOUR)


class Clock:
    """What some processes take for the time: so many seconds before or after what it is."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # MySQL waits for ever with it
        }
        self.set(0)

    def set(self, seconds: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)


def done(running: System) -> int:
    """Return how many attempts have ended."""
    with running.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT COUNT(*) FROM task_attempts").scalar_one())


def server_is_ahead(running: System) -> float:
    with running.engine.connect() as connection:
        now = connection.exec_driver_sql("SELECT UNIX_TIMESTAMP(NOW(6))").scalar_one()
    return float(now) - time.time()


@pytest.mark.parametrize("jumps", [[HOUR], [-HOUR, 0]])
def test_work_goes_on_when_the_servers_clock_jumps(
    server: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jumps: list[int]
) -> None:
    """What was put off until a moment waits for it: it ends when the clock has been put right."""
    clock, folder = Clock(tmp_path), tmp_path / "work"
    folder.mkdir()
    with monkeypatch.context() as patch:
        for name, value in clock.environment.items():
            patch.setenv(name, value)
        private = database(server.kind, tmp_path / "server", UNSAFE)
        private.start()
    try:
        with at_work(private.url, folder, JUMPING) as running:
            for jump in jumps:
                clock.set(jump)
                wait_for(lambda jump=jump: abs(server_is_ahead(running) - jump) < 60)  # type: ignore[misc]
                before = done(running)
                wait_for(lambda before=before: done(running) > before + 50, seconds=60)  # type: ignore[misc]
    finally:
        private.stop()


@pytest.mark.parametrize("minutes", [10, -10])
def test_the_clocks_of_our_processes_do_not_matter(
    server: Database, tmp_path: Path, minutes: int
) -> None:
    clock, folder = Clock(tmp_path), tmp_path / "work"
    folder.mkdir()
    clock.set(minutes * 60)
    with (
        database(server.kind, tmp_path / "server", UNSAFE) as private,
        at_work(private.url, folder, None, **clock.environment) as running,
    ):
        before = done(running)
        wait_for(lambda: done(running) > before + 100, seconds=60)
