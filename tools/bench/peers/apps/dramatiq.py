"""dramatiq on Redis."""

from collections.abc import Sequence

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from tools.bench.peers.apps.ground import STORE_URL, Peer, become, note

dramatiq.set_broker(RedisBroker(url=STORE_URL))


@dramatiq.actor(queue_name="bench")
def noted(number: int) -> None:
    """Note that it was carried out."""
    note(number)


def one(number: int) -> None:
    """Create a task."""
    noted.send(number)


def many(numbers: Sequence[int]) -> None:
    """Create tasks one after the other: dramatiq has nothing else."""
    for number in numbers:
        noted.send(number)


def worker() -> None:
    """Become the worker: one process of as many threads as it has by default."""
    become("dramatiq", __name__, "--processes=1", "--threads=8", "--skip-logging")


PEER = Peer(one=one, many=many, worker=worker)
