"""Several servers, one of which takes writes: killed, frozen, switched under load.

Writes go on within 15 s, and nothing that was acknowledged is lost.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.faults.working import WRITES_SECONDS, at_work, longest_pause, now
from tools.cluster.balancer import balancer
from tools.cluster.galera import PROVIDER, galera
from tools.cluster.nodes import Cluster, Member, cluster
from tools.cluster.replica import Pair, pair
from tools.servers.programs import find_database, locate

pytestmark = pytest.mark.slow

needs_mysql = pytest.mark.skipif(not find_database("mysql"), reason="there is no MySQL here")
needs_mariadb = pytest.mark.skipif(not find_database("mariadb"), reason="there is no MariaDB here")
needs_galera = pytest.mark.skipif(not PROVIDER.exists(), reason="galera-4 is not installed")
needs_haproxy = pytest.mark.skipif(not locate("haproxy"), reason="haproxy is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the processes log; what is measured goes to the file `paused` in it."""
    made = tmp_path / "work"
    made.mkdir()
    return made


def watch(url: str, folder: Path, fail: Callable[[], None], heal: Callable[[], None]) -> None:
    """Let something fail under load, and see how long no task can be created."""
    with at_work(url, folder) as running:
        began = now()
        fail()
        paused = longest_pause(running, began)
        heal()
    (folder / "paused").write_text(f"{paused:.1f} s\n")
    assert paused < WRITES_SECONDS


def nothing() -> None:
    pass


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path / "nodes") as running:
        yield running


def kill(nodes: Cluster) -> Member:
    primary = nodes.primary()
    primary.kill()
    return primary


def freeze(nodes: Cluster) -> Member:
    primary = nodes.primary()
    primary.freeze()
    return primary


def switch(nodes: Cluster) -> Member:
    primary = nodes.primary()
    nodes.switch_to(next(node for node in nodes.nodes if node is not primary))
    return primary


FAILURES = {"kill": kill, "freeze": freeze, "switch": switch}


@needs_mysql
@pytest.mark.parametrize("failure", list(FAILURES))
@pytest.mark.parametrize("way", ["several hosts", pytest.param("haproxy", marks=needs_haproxy)])
def test_writes_go_on_in_a_group_and_nothing_is_lost(
    nodes: Cluster, folder: Path, way: str, failure: str
) -> None:
    former: list[Member] = []

    def heal() -> None:
        if failure == "freeze":
            former[0].thaw()
        if failure != "switch":
            nodes.join(former[0])

    with balancer(nodes.nodes, folder) if way == "haproxy" else several(nodes) as url:
        watch(url, folder, lambda: former.append(FAILURES[failure](nodes)), heal)
    assert all(node.running for node in nodes.nodes)


@contextmanager
def several(nodes: Cluster) -> Iterator[str]:
    yield nodes.url


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Pair]:
    with pair(tmp_path / "pair") as running:
        yield running


@needs_mariadb
def test_a_replica_that_acknowledges_takes_over_from_a_dead_primary(
    two: Pair, folder: Path
) -> None:
    def fail() -> None:
        two.primary.kill()
        two.promote()

    watch(two.url, folder, fail, nothing)


@needs_mariadb
def test_a_primary_and_its_replica_can_be_exchanged(two: Pair, folder: Path) -> None:
    watch(two.url, folder, two.switch, nothing)


@pytest.fixture
def everybodys_folder() -> Iterator[Path]:
    with TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@needs_mariadb
@needs_galera
@needs_haproxy
@pytest.mark.parametrize("failure", ["kill", "freeze", "stop"])
def test_writes_go_on_in_galera_with_one_writer(
    everybodys_folder: Path, folder: Path, failure: str
) -> None:
    with galera(everybodys_folder) as nodes, balancer(nodes.nodes, folder) as url:
        writer = nodes.primary()
        failures = {"kill": writer.kill, "freeze": writer.freeze, "stop": writer.stop}

        def heal() -> None:
            writer.thaw() if failure == "freeze" else writer.start()
            nodes.wait_until_synced()

        watch(url, folder, failures[failure], heal)
