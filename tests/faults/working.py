"""The whole system at work on some database while a test lets that fail; then the proof."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from tests.waiting import wait_for
from tools.faults.checker import Expected, check, report
from tools.faults.evidence import gather
from tools.faults.journal import read
from tools.soak.load import STALE_SECONDS, Client, resume_all
from tools.soak.run import wait_until_all_ended
from tools.soak.stand import Addresses, Crew, System, system

WRITES_SECONDS = 15
"""Within this time tasks can be created again, whatever happens to one server."""

WATCH_SECONDS = 30
STEADY = 50


@contextmanager
def at_work(
    url: str, folder: Path, expected: Expected | None = None, **environment: str
) -> Iterator[System]:
    """Have tasks created and done all the time; in the end, prove that nothing was lost.

    `expected` is what the proof allows for; `environment` is for all processes.
    """
    addresses = Addresses(url, url, url, url)
    with system(folder, addresses, Crew(workers=2, reapers=1), **environment) as running:
        clients = [Client(running, f"c{n}", n, 15, lag_seconds=STALE_SECONDS) for n in (1, 2)]
        for client in clients:
            client.start()
        try:
            for client in clients:
                wait_for(lambda client=client: client.created > STEADY, seconds=60)  # type: ignore[misc]
            yield running
        finally:
            for client in clients:
                client.stop()
        resume_all(running)
        assert wait_until_all_ended(running) == 0
        evidence = gather(running.engine, running.acks, running.effects)
        broken = check(evidence, expected)
        assert not broken, report(evidence, broken)
        assert len(evidence.tasks) > 100


def longest_pause(running: System, since: datetime) -> float:
    """Watch for a while; return the seconds of the longest time without a task created."""
    time.sleep(WATCH_SECONDS)
    made = (ack["at"] for ack in read(running.acks) if ack["kind"] == "created")
    moments = [since, *(at for each in made if (at := datetime.fromisoformat(each)) > since)]
    return max((other - one).total_seconds() for one, other in pairwise([*moments, now()]))


def now() -> datetime:
    """Return this moment, as journals tell it."""
    return datetime.now(UTC)
