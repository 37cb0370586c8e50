"""Chancy on PostgreSQL, with its executor for coroutines."""

from collections.abc import Sequence

from chancy import Chancy, Queue, Worker, job

from tools.bench.peers.apps.ground import STORE_URL, Peer, note

QUEUE = Queue("default", concurrency=100, executor=Chancy.Executor.Async, eager_polling=True)

_clients: list[Chancy] = []


@job()
async def noted(*, number: int) -> None:
    """Note that it was carried out."""
    note(number)


async def begin() -> None:
    """Connect, make the tables, and declare the queue."""
    client = Chancy(STORE_URL)
    await client.__aenter__()
    await client.migrate()
    await client.declare(QUEUE)
    _clients.append(client)


async def one(number: int) -> None:
    """Create a task."""
    await _clients[0].push(noted.job.with_kwargs(number=number))


async def many(numbers: Sequence[int]) -> None:
    """Create tasks in one transaction."""
    jobs = [noted.job.with_kwargs(number=number) for number in numbers]
    async for _ in _clients[0].push_many(jobs):
        pass


async def worker() -> None:
    """Carry tasks out."""
    async with Chancy(STORE_URL) as chancy, Worker(chancy) as working:
        await working.wait_for_shutdown()


PEER = Peer(one=one, many=many, worker=worker, begin=begin)
