"""Answers from the cache: how many one API process gives with Redis, and how soon."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from redis import Redis as Client

from tools.bench.figures import Figure
from tools.bench.filling import fill, waiting_task
from tools.bench.load import Load
from tools.bench.stand import Stand
from tools.bench.web import Api, api
from tools.servers import Redis, redis

PAUSE_MILLISECONDS = 10


@dataclass(frozen=True, slots=True)
class Cached:
    """`GET /tasks/{id}` again and again, for so many seconds; then at half of that rate.

    And at a tenth of it, while Redis is emptied, killed and started again, beside before.
    """

    seconds: float = 5
    connections: int = 16

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        stand.empty()
        path = f"/tasks/{fill(stand.engine, waiting_task(), 1)}"
        stand.wait_until_quiet()
        folder = stand.folder / "redis"
        folder.mkdir(exist_ok=True)
        with (
            redis(folder) as server,
            api(stand, REDIS_URL=server.url) as web,
            api(stand, "tools.bench.null") as nothing,
        ):
            load = Load(self.connections, self.seconds, stand.folder)
            load.requests_per_second(web.port, path)  # warms it
            null = load.requests_per_second(nothing.port, "/null")
            rate = load.requests_per_second(web.port, path)
            null = (null + load.requests_per_second(nothing.port, "/null")) / 2
            # So many connections, each with its pause, ask half as often.
            paced = max(round(rate / 2 * PAUSE_MILLISECONDS / 1000), 1)
            half = Load(paced, self.seconds, stand.folder)
            slowest = half.slowest_seconds(web.port, path, PAUSE_MILLISECONDS)
            few = Load(max(paced // 5, 1), self.seconds, stand.folder)
            without = self._failing(server, few, web, path)
        return [
            Figure("GET /tasks/{id}, cache hit", rate, "requests/s"),
            Figure("cache hit, share of null", rate / null, "", at_least=0.50),
            Figure("null route", null, "requests/s"),
            Figure("cache hit at half the rate, p99", slowest * 1000, "ms", at_most=10),
            Figure("p95 while Redis fails, against before", without, "x", at_most=3),
        ]

    def _failing(self, server: Redis, load: Load, web: Api, path: str) -> float:
        def p95() -> float:
            return load.slowest_seconds(web.port, path, PAUSE_MILLISECONDS, 95)

        before = p95()
        with ThreadPoolExecutor(1) as pool:
            meanwhile = pool.submit(p95)
            empty = partial(_empty, server.url)
            for fail in (empty, server.kill, server.start, empty):
                time.sleep(self.seconds / 5)
                fail()
            return meanwhile.result() / before


def _empty(url: str) -> None:
    with Client.from_url(url) as client:
        client.execute_command("FLUSHALL")
