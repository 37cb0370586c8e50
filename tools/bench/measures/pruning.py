"""Pruning: how fast old tasks go beside a drain, and what that costs the drain.

A reaper runs beside the worker both times; once everything is kept for ever. Old tasks have a
payload, an attempt, and each tenth a tag and an event.
"""

import time
from dataclasses import dataclass

from sqlalchemy import Engine

from schema import tasks
from schema.runtime.transactions import transaction
from tools.bench import draining, filling
from tools.bench.draining import WARM_QUEUE, tasks_per_second, wait_until_done
from tools.bench.errors import BenchError
from tools.bench.figures import Figure
from tools.bench.filling import QUEUE, waiting_task
from tools.bench.stand import Stand
from tools.bench.workers import reaper, workers

OLD_QUEUE = "old"
WARM_TASKS = 2_000
PATIENCE_SECONDS = 60.0

_END = """UPDATE tasks SET status = 'done', finished_at = created_at - INTERVAL 60 DAY,
    completed_at = finished_at, started_at = finished_at, fence = 1 WHERE id = %s"""
_ATTEMPTS = """INSERT INTO task_attempts (task_id, fence, attempt, worker_id, available_at,
    started_at, ended_at, outcome)
SELECT id, 1, 1, 'bench:0:old', finished_at, finished_at, finished_at, 'succeeded' FROM tasks"""
_TAG = "INSERT INTO tags (name) VALUES ('old')"
_TAGS = """INSERT INTO task_tags (task_id, tag_id)
SELECT tasks.id, tags.id FROM tasks JOIN tags WHERE tasks.id MOD 10 = 0"""
_EVENTS = """INSERT INTO task_events (task_id, actor, verb)
SELECT id, 'bench', 'start' FROM tasks WHERE id MOD 10 = 0"""
_LEFT = "SELECT COUNT(*) FROM tasks WHERE status = 'done' AND queue = %s"


@dataclass(frozen=True, slots=True)
class Pruning:
    """Drains with and without pruning, one right after the other."""

    old: int = 60_000
    tasks: int = 60_000
    slots: int = 500

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        alone, _ = self._drain(stand, prunes=False)
        beside, pruned = self._drain(stand, prunes=True)
        return [
            Figure("drain alone", alone, "tasks/s"),
            Figure("drain beside pruning", beside, "tasks/s"),
            Figure("share of the drain", beside / alone, "", at_least=0.9),
            Figure("pruned beside the drain", pruned, "rows/s", at_least=1e6 / 1_800),
            Figure("a million rows would take", 1e6 / pruned / 60, "min", at_most=30),
        ]

    def _drain(self, stand: Stand, *, prunes: bool) -> tuple[float, float]:
        """Return the tasks drained and the old ones pruned in a second."""
        stand.empty()
        _make_old(stand.engine, self.old)
        for queue, count in ((WARM_QUEUE, WARM_TASKS), (QUEUE, self.tasks)):
            filling.pause(stand.engine, queue)
            filling.fill(stand.engine, waiting_task(queue), count)
        stand.wait_until_quiet()
        days = {"RETENTION_DAYS": "30" if prunes else "0", "RETENTION_FAILED_DAYS": "0"}
        with workers(stand, slots=self.slots) as started, reaper(stand, **days):
            filling.resume(stand.engine, WARM_QUEUE)
            wait_until_done(stand.engine, WARM_QUEUE, WARM_TASKS, started)
            if prunes:
                self._wait_until_begun(stand.engine)
            began, before = time.monotonic(), _left(stand.engine)
            filling.resume(stand.engine, QUEUE)
            wait_until_done(stand.engine, QUEUE, self.tasks, started)
            seconds, after = time.monotonic() - began, _left(stand.engine)
        if prunes and after == 0:
            raise BenchError("All was pruned before the drain was over: --set pruning.old=...")
        return tasks_per_second(stand.engine, self.tasks), (before - after) / seconds

    def _wait_until_begun(self, engine: Engine) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while _left(engine) == self.old:
            if time.monotonic() > end:
                raise BenchError("Nothing was pruned.")
            time.sleep(draining.LOOK_SECONDS)


def _make_old(engine: Engine, count: int) -> None:
    with transaction(engine) as connection:
        (first,) = tasks.create(connection, [waiting_task(OLD_QUEUE)])
        connection.exec_driver_sql(_END, (first,))
    filling.multiply(engine, first, count)
    for statement in (_ATTEMPTS, _TAG, _TAGS, _EVENTS):
        with transaction(engine) as connection:
            connection.exec_driver_sql(statement)


def _left(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(_LEFT, (OLD_QUEUE,)).scalar_one())
