"""procrastinate on PostgreSQL."""

from collections.abc import Sequence

from procrastinate import App, PsycopgConnector

from tools.bench.peers.apps.ground import STORE_URL, Peer, note

CONCURRENCY = 50

app = App(connector=PsycopgConnector(conninfo=STORE_URL, min_size=4, max_size=20))


@app.task(name="noted")
async def noted(number: int) -> None:
    """Note that it was carried out."""
    note(number)


async def begin() -> None:
    """Connect, and make the tables."""
    await app.open_async()
    await app.schema_manager.apply_schema_async()


async def one(number: int) -> None:
    """Create a task."""
    await noted.defer_async(number=number)


async def many(numbers: Sequence[int]) -> None:
    """Create tasks by one statement."""
    await noted.batch_defer_async(*({"number": number} for number in numbers))


async def worker() -> None:
    """Carry tasks out."""
    async with app.open_async():
        await app.run_worker_async(concurrency=CONCURRENCY)


PEER = Peer(one=one, many=many, worker=worker, begin=begin)
