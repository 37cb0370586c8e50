"""Batches: tasks created and stopped by a client, many by one request."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools.bench.figures import Figure
from tools.bench.processes import cpu_seconds
from tools.bench.stand import Stand
from tools.bench.web import Api, api


@dataclass(frozen=True, slots=True)
class Batches:
    """Calls one after the other, after one that warms the API."""

    calls: int = 10
    tasks: int = 1_000

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        stand.empty()
        with api(stand) as web:
            self._create(web, "warm")
            stand.wait_until_quiet()
            before = cpu_seconds(web.pid), cpu_seconds(stand.server.pid)
            created = [self._create(web, f"call {call}") for call in range(self.calls)]
            after = cpu_seconds(web.pid), cpu_seconds(stand.server.pid)
            stopped = [web.post("/tasks/batch/stop", {"ids": ids})[1] for ids, _ in created]
            started = [web.post("/tasks/batch/start", {"ids": ids})[1] for ids, _ in created]
            deleted = [web.post("/tasks/batch/delete", {"ids": ids})[1] for ids, _ in created]
        per_task = 1e6 / self.calls / self.tasks
        return [
            Figure("all created", sum(seconds for _, seconds in created), "s", at_most=2),
            Figure("API CPU per task created", (after[0] - before[0]) * per_task, "us"),
            Figure("server CPU per task created", (after[1] - before[1]) * per_task, "us"),
            Figure("stop", _median(stopped), "ms", at_most=300),
            Figure("start", _median(started), "ms"),
            Figure("delete", _median(deleted), "ms"),
        ]

    def _create(self, web: Api, name: str) -> tuple[list[int], float]:
        content = {"tasks": [_task(name, number) for number in range(self.tasks)]}
        tasks, seconds = web.post("/tasks/batch", content)
        return [task["id"] for task in tasks], seconds


def _task(name: str, number: int) -> dict[str, Any]:
    return {
        "title": f"task {number} of {name}",
        "task_type": "noop",
        "tags": ["bench", f"tag {number % 20}"],
        "account_id": f"account {number % 50}",
        "unique_key": f"{name} {number}",
        "payload": {"url": f"https://example.org/pictures/{number}.png", "width": 200},
    }


def _median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1e3
