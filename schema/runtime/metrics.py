"""What a process counts and measures, for Prometheus: base units, no ids as labels.

The API shows its own at /metrics; worker and reaper where METRICS_PORT says so.
"""

from collections import Counter as Tally
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from time import monotonic, time

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from schema.runtime.logging import get_logger

log = get_logger(__name__)

_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_LONG = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)

ENQUEUED = Counter(
    "rowlease_tasks_enqueued", "Tasks created, those of transactions that failed too", ["queue"]
)
STARTED = Counter("rowlease_attempts_started", "Attempts that were claimed", ["queue"])
FINISHED = Counter("rowlease_attempts_finished", "Attempts that ended", ["queue", "outcome"])
LOST = Counter("rowlease_leases_lost", "Ends that came too late: the lease was somebody else's")
EXPIRED = Counter("rowlease_leases_expired", "Leases that the reaper ended", ["reason"])
WAITING = Histogram(
    "rowlease_attempt_waiting_seconds", "From due to claimed", ["queue"], buckets=_LONG
)
RUNNING = Histogram("rowlease_attempt_running_seconds", "From claimed to ended", buckets=_LONG)
CLAIM = Histogram("rowlease_claim_seconds", "One claim, with its COMMIT", buckets=_SHORT)
SETTLE = Histogram("rowlease_settle_seconds", "One settled batch, with its COMMIT", buckets=_SHORT)
DATABASE_ERRORS = Counter(
    "rowlease_database_errors", "Errors of the database that were tried again", ["code"]
)
CHORE = Histogram("rowlease_chore_seconds", "One run of a reaper's chore", ["chore"])
CHORE_ENDED = Gauge(
    "rowlease_chore_last_success_timestamp_seconds",
    "When a reaper's chore last came to its end",
    ["chore"],
    multiprocess_mode="max",
)
PRUNED = Counter("rowlease_tasks_pruned", "Tasks that retention took away")
REQUESTS = Counter("rowlease_http_requests", "Requests answered", ["method", "route", "status"])
REQUEST = Histogram(
    "rowlease_http_request_seconds",
    "From a request to its answer's head",
    ["route"],
    buckets=_SHORT,
)
STREAMS = Gauge("rowlease_streams", "Streams of events that are open", multiprocess_mode="livesum")
CACHE = Counter("rowlease_cache_answers", "Answers by how the cache in Redis served", ["result"])


MOST_QUEUES = 500
OTHER_QUEUES = "(others)"
"""What the label says of a queue where a process has met MOST_QUEUES already: clients name them."""

_met: set[str] = set()


def of_queue(name: str) -> str:
    """Return the label of a queue."""
    if name not in _met:
        if len(_met) >= MOST_QUEUES:
            return OTHER_QUEUES
        _met.add(name)
    return name


def serve(port: int | None) -> None:
    """Show this process's metrics at a port of all addresses; None: nowhere."""
    if port is not None:
        start_http_server(port)
        log.info("metrics are served", port=port)


@contextmanager
def measured(histogram: Histogram) -> Iterator[None]:
    """Measure what is done in the block, if it comes to its end."""
    began = monotonic()
    yield
    histogram.observe(monotonic() - began)


@contextmanager
def chore(name: str) -> Iterator[None]:
    """Measure a chore, and note when it came to its end."""
    with measured(CHORE.labels(name)):
        yield
    CHORE_ENDED.labels(name).set(time())


def note_enqueued(queues: Iterable[str]) -> None:
    """Count created tasks by their queues."""
    for queue, count in Tally(map(of_queue, queues)).items():
        ENQUEUED.labels(queue).inc(count)


def note_started(waits: Collection[tuple[str, datetime, datetime]]) -> None:
    """Count claimed tasks: of each the queue, since when it was due, and when it was claimed."""
    for queue, count in Tally(of_queue(queue) for queue, _, _ in waits).items():
        STARTED.labels(queue).inc(count)
    for queue, due, now in waits:
        WAITING.labels(of_queue(queue)).observe((now - due).total_seconds())


def note_finished(ends: Collection[tuple[str, str, datetime, datetime]], lost: int) -> None:
    """Count ended attempts: of each queue, outcome, start and end; and those that came too late."""
    for (queue, outcome), count in Tally((of_queue(end[0]), end[1]) for end in ends).items():
        FINISHED.labels(queue, outcome).inc(count)
    for *_, started, ended in ends:
        RUNNING.observe((ended - started).total_seconds())
    LOST.inc(lost)
