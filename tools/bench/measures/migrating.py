"""Migrating: down and up with a million rows, and an upgrade while workers run.

Workers drain meanwhile; what the upgrade from the first migration costs is the longest time in
which none of them claimed anything.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from tools.bench import filling
from tools.bench.errors import BenchError
from tools.bench.figures import Figure
from tools.bench.filling import QUEUE, waiting_task
from tools.bench.stand import ROOT, Stand
from tools.bench.workers import workers

FIRST = "0001"
WARM_SECONDS = 3.0
PATIENCE_SECONDS = 60.0

_STARTED = "SELECT 1 FROM tasks WHERE status = 'done' AND queue = %s LIMIT 1"
_GAPS = """SELECT COUNT(*), MAX(gap) / 1e6 FROM (
    SELECT TIMESTAMPDIFF(MICROSECOND, LAG(started_at) OVER (ORDER BY started_at), started_at) AS gap
    FROM (SELECT DISTINCT started_at FROM tasks WHERE started_at BETWEEN %s AND %s) AS moments
) AS gaps"""


@dataclass(frozen=True, slots=True)
class Migrating:
    """Migrations of a database with so many tasks, which `processes` workers drain."""

    tasks: int = 1_000_000
    slots: int = 100
    processes: int = 2

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        stand.empty()
        filling.pause(stand.engine, QUEUE)
        filling.fill(stand.engine, waiting_task(), self.tasks)
        figures = self._beside_workers(stand)
        figures += [
            Figure(f"down to nothing, {self.tasks:,} tasks", _migrate(stand, "base"), "s"),
            Figure("up from nothing", _migrate(stand, "head"), "s"),
        ]
        return figures

    def _beside_workers(self, stand: Stand) -> list[Figure]:
        filling.resume(stand.engine, QUEUE)
        with workers(stand, slots=self.slots, queues=["*"] * self.processes) as started:
            _wait_until_begun(stand.engine)
            time.sleep(WARM_SECONDS)
            with _noted(stand.engine) as quiet:
                time.sleep(WARM_SECONDS)
            with _noted(stand.engine) as going_down:
                down = _migrate(stand, FIRST)
            with _noted(stand.engine) as going_up:
                up = _migrate(stand, "head")
                time.sleep(1)
            for worker in started:
                worker.require_alive()
        rows = f"{self.tasks:,} tasks and workers"
        return [
            Figure(f"down to {FIRST}, {rows}", down, "s"),
            Figure(f"up from {FIRST}, {rows}", up, "s"),
            Figure("longest claim gap without", _gap(stand.engine, quiet), "s"),
            Figure("longest claim gap, down", _gap(stand.engine, going_down), "s", at_most=5),
            Figure("longest claim gap, up", _gap(stand.engine, going_up), "s", at_most=5),
        ]


def _migrate(stand: Stand, revision: str) -> float:
    """Bring the tables to a revision, as a release does; return the seconds."""
    verb = "upgrade" if revision == "head" else "downgrade"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "alembic", verb, revision],
        cwd=ROOT,
        env=stand.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"alembic {verb} {revision} failed: {done.stderr or done.stdout}")
    return time.monotonic() - began


def _wait_until_begun(engine: Engine) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        with engine.connect() as connection:
            if connection.exec_driver_sql(_STARTED, (QUEUE,)).first():
                return
        if time.monotonic() > end:
            raise BenchError("The workers began nothing.")
        time.sleep(0.1)


@contextmanager
def _noted(engine: Engine) -> Iterator[list[datetime]]:
    """Yield what will hold the moments of the block's begin and end."""
    moments = [_now(engine)]
    yield moments
    moments.append(_now(engine))


def _now(engine: Engine) -> datetime:
    with engine.connect() as connection:
        moment: datetime = connection.exec_driver_sql("SELECT UTC_TIMESTAMP(6)").scalar_one()
        return moment


def _gap(engine: Engine, moments: list[datetime]) -> float:
    with engine.connect() as connection:
        count, seconds = connection.exec_driver_sql(_GAPS, tuple(moments)).one()
    if count < 2:
        raise BenchError("Nothing was claimed meanwhile: there were too few tasks.")
    return float(seconds)
