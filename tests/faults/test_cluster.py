"""Three nodes, one of which takes writes: killed, frozen, switched under load, nothing is lost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.waiting import wait_for
from tools.cluster.balancer import balancer
from tools.cluster.nodes import Cluster, Node, cluster
from tools.faults.checker import check, report
from tools.faults.evidence import gather
from tools.faults.journal import read
from tools.servers.programs import find_database, locate
from tools.soak.load import STALE_SECONDS, Client, resume_all
from tools.soak.run import wait_until_all_ended
from tools.soak.stand import Addresses, Crew, System, system

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_database("mysql"), reason="there is no MySQL here"),
]

WRITES_SECONDS = 15
WATCH_SECONDS = 30
STEADY = 50


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path / "nodes") as running:
        yield running


@contextmanager
def at_work(url: str, folder: Path) -> Iterator[System]:
    """Have tasks created and done all the time; in the end, prove that nothing was lost."""
    addresses = Addresses(url, url, url, url)
    with system(folder, addresses, Crew(workers=2, reapers=1)) as running:
        clients = [
            Client(running, f"{folder.parent.name}-{n}", n, 15, lag_seconds=STALE_SECONDS)
            for n in (1, 2)
        ]
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
        broken = check(evidence)
        assert not broken, report(evidence, broken)
        assert len(evidence.tasks) > 100


def longest_pause(running: System, since: datetime) -> float:
    """Watch for a while; return the seconds of the longest time without a task created."""
    time.sleep(WATCH_SECONDS)
    made = (ack["at"] for ack in read(running.acks) if ack["kind"] == "created")
    moments = [since, *(at for each in made if (at := datetime.fromisoformat(each)) > since)]
    return max((other - one).total_seconds() for one, other in pairwise([*moments, _now()]))


def _now() -> datetime:
    return datetime.now(UTC)


def kill(nodes: Cluster) -> Node:
    primary = nodes.primary()
    primary.kill()
    return primary


def freeze(nodes: Cluster) -> Node:
    primary = nodes.primary()
    primary.freeze()
    return primary


def switch(nodes: Cluster) -> Node:
    primary = nodes.primary()
    nodes.switch_to(next(node for node in nodes.nodes if node is not primary))
    return primary


FAILURES = {"kill": kill, "freeze": freeze, "switch": switch}


@pytest.mark.parametrize("failure", list(FAILURES))
@pytest.mark.parametrize("way", ["several hosts", "haproxy"])
def test_writes_go_on_and_nothing_is_lost(
    nodes: Cluster,
    tmp_path: Path,
    way: str,
    failure: str,
) -> None:
    if way == "haproxy" and locate("haproxy") is None:
        pytest.skip("haproxy is not installed")
    folder = tmp_path / "work"
    folder.mkdir()
    with balancer(nodes, folder) if way == "haproxy" else several(nodes) as url:
        with at_work(url, folder) as running:
            began = _now()
            former = FAILURES[failure](nodes)
            paused = longest_pause(running, began)
            if failure == "freeze":
                former.thaw()
            if failure != "switch":
                nodes.join(former)
        (folder / "paused").write_text(f"{way}, {failure}: {paused:.1f} s\n")
        assert paused < WRITES_SECONDS
        assert all(node.running for node in nodes.nodes)


@contextmanager
def several(nodes: Cluster) -> Iterator[str]:
    yield nodes.url
