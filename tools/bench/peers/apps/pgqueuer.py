"""PgQueuer on PostgreSQL, in batches of the size that the variant says."""

from collections.abc import Sequence

import asyncpg
from pgqueuer import AsyncpgDriver, PgQueuer, Queries
from pgqueuer.models import Job

from tools.bench.peers.apps.ground import STORE_URL, VARIANT, Peer, note

_queries: list[Queries] = []


async def begin() -> None:
    """Connect, and make the tables."""
    _queries.append(Queries(AsyncpgDriver(await asyncpg.connect(STORE_URL))))
    await _queries[0].install()


async def one(number: int) -> None:
    """Create a task."""
    await _queries[0].enqueue("noted", str(number).encode())


async def many(numbers: Sequence[int]) -> None:
    """Create tasks by one statement."""
    payloads = [str(number).encode() for number in numbers]
    await _queries[0].enqueue(["noted"] * len(numbers), payloads, [0] * len(numbers))


async def worker() -> None:
    """Carry tasks out."""
    queuer = PgQueuer(AsyncpgDriver(await asyncpg.connect(STORE_URL)))

    @queuer.entrypoint("noted")
    async def noted(job: Job) -> None:
        note(int(job.payload or b"-1"))

    await queuer.run(batch_size=int(VARIANT.split()[-1]))


PEER = Peer(one=one, many=many, worker=worker, begin=begin)
