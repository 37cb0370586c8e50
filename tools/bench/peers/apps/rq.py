"""RQ, with the worker that does not fork for each task."""

from collections.abc import Sequence

from redis import Redis
from rq import Queue

from tools.bench.peers.apps.ground import STORE_URL, Peer, become, note

queue = Queue("bench", connection=Redis.from_url(STORE_URL))


def noted(number: int) -> None:
    """Note that it was carried out."""
    note(number)


def one(number: int) -> None:
    """Create a task."""
    queue.enqueue(noted, number, result_ttl=0)


def many(numbers: Sequence[int]) -> None:
    """Create tasks in one pipeline."""
    queue.enqueue_many([Queue.prepare_data(noted, (number,), result_ttl=0) for number in numbers])


def worker() -> None:
    """Become the worker."""
    become("rq", "worker", "--worker-class=rq.SimpleWorker", f"--url={STORE_URL}", "-q", "bench")


PEER = Peer(one=one, many=many, worker=worker)
