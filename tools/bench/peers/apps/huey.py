"""huey, with the storage that the address names."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from huey import Huey, RedisHuey

from tools.bench.peers.apps.ground import STORE_URL, Peer, become, note


def _huey() -> Huey:
    if STORE_URL.startswith("redis:"):
        return RedisHuey("bench", url=STORE_URL, results=False)
    from huey.contrib.sql_huey import SqlHuey  # noqa: PLC0415  # needs peewee
    from peewee import MySQLDatabase  # noqa: PLC0415

    parts = urlsplit(STORE_URL)
    database = MySQLDatabase(
        parts.path[1:], host=parts.hostname, port=parts.port, user=parts.username
    )
    return SqlHuey("bench", database=database, results=False)


huey = _huey()


@huey.task()
def noted(number: int) -> None:
    """Note that it was carried out."""
    note(number)


def one(number: int) -> None:
    """Create a task."""
    noted(number)


def many(numbers: Sequence[int]) -> None:
    """Create tasks one after the other: huey has nothing else."""
    for number in numbers:
        noted(number)


def worker() -> None:
    """Become the consumer: one process, as many threads as its guide starts with."""
    become("huey_consumer", f"{__name__}.huey", "--worker-type=thread", "--workers=4", "-q")


PEER = Peer(one=one, many=many, worker=worker)
