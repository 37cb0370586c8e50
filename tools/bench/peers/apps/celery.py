"""Celery: on Redis, or on a database by Kombu's SQLAlchemy transport."""

from collections.abc import Sequence

from celery import Celery

from tools.bench.peers.apps.ground import STORE_URL, VARIANT, Peer, become, note

app = Celery("bench", broker=STORE_URL.replace("mysql://", "sqla+mysql+pymysql://"))
app.conf.update(
    task_ignore_result=True,
    task_acks_late=VARIANT == "acks_late",
    worker_prefetch_multiplier=128,
    broker_connection_retry_on_startup=True,
    worker_send_task_events=False,
)


@app.task(name="noted")
def noted(number: int) -> None:
    """Note that it was carried out."""
    note(number)


def one(number: int) -> None:
    """Create a task."""
    noted.delay(number)


def many(numbers: Sequence[int]) -> None:
    """Create tasks one after the other by one producer: Celery has nothing else."""
    with app.producer_pool.acquire(block=True) as producer:
        for number in numbers:
            noted.apply_async((number,), producer=producer)


def worker() -> None:
    """Become the worker, with one process that carries tasks out."""
    become(
        *("celery", "-A", __name__, "worker", "--pool=prefork", "--concurrency=1"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"),
    )


PEER = Peer(one=one, many=many, worker=worker)
