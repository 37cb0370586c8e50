"""Requests: how many one API process answers without Redis, beside a FastAPI that does nothing."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from tools.bench.figures import Figure
from tools.bench.filling import fill, waiting_task
from tools.bench.load import Load
from tools.bench.stand import Stand
from tools.bench.web import Api, api

TASK = {
    "title": "a task of the benchmark",
    "task_type": "noop",
    "payload": {"url": "https://example.org/pictures/1.png", "width": 200},
}


class Kind(NamedTuple):
    """A request, and the share of the null route's requests that it must reach."""

    path: str
    share: float
    body: Any = None


KINDS: Mapping[str, Kind] = {
    "GET /tasks/{id}": Kind("/tasks/{first}", 0.22),
    "GET /tasks?limit=50": Kind("/tasks?limit=50", 0.10),
    "POST /tasks": Kind("/tasks", 0.13, TASK),
}


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests per second, each kind for so long, and tasks per second in batches."""

    seconds: float = 5
    connections: int = 16
    many: int = 64
    batch: int = 1_000
    tasks: int = 10_000

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        stand.empty()
        first = fill(stand.engine, waiting_task(), self.tasks)
        stand.wait_until_quiet()
        with api(stand) as web, api(stand, "tools.bench.null") as nothing:
            load = Load(self.connections, self.seconds, stand.folder)
            load.requests_per_second(web.port, f"/tasks/{first}")  # warms it
            figures = []
            for name, kind in KINDS.items():
                # Beside each, so that whatever else the machine does is in both.
                null = load.requests_per_second(nothing.port, "/null")
                path = kind.path.format(first=first)
                rate = load.requests_per_second(web.port, path, kind.body)
                null = (null + load.requests_per_second(nothing.port, "/null")) / 2
                figures += [
                    Figure(name, rate, "requests/s"),
                    Figure(f"{name}, share of null", rate / null, "", at_least=kind.share),
                ]
            figures.append(Figure("null route", null, "requests/s"))
            figures.append(self._together(stand, web))
            few = Load(2, self.seconds, stand.folder)
            body = {"tasks": [TASK] * self.batch}
            batches = few.requests_per_second(web.port, "/tasks/batch", body)
        tasks = batches * self.batch
        return [*figures, Figure("POST /tasks/batch", tasks, "tasks/s", at_least=8_000)]

    def _together(self, stand: Stand, web: Api) -> Figure:
        """Return what two processes create together, as a share of what one does.

        For so many clients that the processes are the limit: a few wait for the disk, and one
        process puts more of theirs into a transaction than two do.
        """
        half = Load(self.many // 2, self.seconds, stand.folder)
        with api(stand) as other, ThreadPoolExecutor(2) as pool:
            one = Load(self.many, self.seconds, stand.folder)
            alone = one.requests_per_second(web.port, "/tasks", TASK)
            rates = [
                pool.submit(half.requests_per_second, each.port, "/tasks", TASK)
                for each in (web, other)
            ]
            together = sum(rate.result() for rate in rates)
            alone = (alone + one.requests_per_second(web.port, "/tasks", TASK)) / 2
        return Figure("POST /tasks, two processes against one", together / alone, "x", at_least=1)
