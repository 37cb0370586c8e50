"""Oban for Python, on PostgreSQL."""

import asyncio
from collections.abc import Sequence

from oban import Oban
from oban import worker as worker_for
from oban.job import Job
from oban.schema import install

from tools.bench.peers.apps.ground import STORE_URL, Peer, note

LIMIT = 100

_clients: list[Oban] = []


@worker_for(queue="bench")
class Noted:
    """The worker, as Oban calls a kind of task."""

    async def process(self, job: Job) -> None:
        """Note that it was carried out."""
        note(job.args["number"])


async def begin() -> None:
    """Connect, and make the tables."""
    pool = await Oban.create_pool(STORE_URL)
    await install(pool)
    _clients.append(Oban(pool=pool))


async def one(number: int) -> None:
    """Create a task."""
    await _clients[0].enqueue(Noted.new({"number": number}))


async def many(numbers: Sequence[int]) -> None:
    """Create tasks by one statement."""
    await _clients[0].enqueue_many([Noted.new({"number": number}) for number in numbers])


async def worker() -> None:
    """Carry tasks out."""
    pool = await Oban.create_pool(STORE_URL, max_size=20)
    async with Oban(pool=pool, queues={"bench": LIMIT}):
        await asyncio.Event().wait()


PEER = Peer(one=one, many=many, worker=worker, begin=begin)
