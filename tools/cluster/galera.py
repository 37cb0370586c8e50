"""A MariaDB Galera cluster of three nodes on this machine, of which one is to take writes."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pymysql

from tools.cluster.node import Node
from tools.servers.errors import ProgramMissingError, ServerError
from tools.servers.ports import LOOPBACK, free_port
from tools.servers.programs import Program, find_database

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
JOIN_SECONDS = 60.0

USER = "nobody"
"""Whose servers they are: as root, rsync would not bring data from one to another."""

_OPTIONS = (
    "--wsrep-on=ON",
    f"--wsrep-provider={PROVIDER}",
    "--wsrep-cluster-name=rowlease",
    "--wsrep-sst-method=rsync",
    f"--wsrep-node-address={LOOPBACK}",
    "--binlog-format=ROW",
    "--innodb-autoinc-lock-mode=2",
    "--innodb-buffer-pool-size=64M",
)

# By default a node that hangs is given up after 5 to 15 s.
_WATCH = (
    "evs.keepalive_period=PT0.5S;evs.inactive_check_period=PT0.5S;"
    "evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S"
)

_SYNCED = """SELECT COUNT(*) FROM information_schema.global_status
WHERE (variable_name, variable_value) IN
    (('wsrep_ready', 'ON'), ('wsrep_cluster_status', 'Primary'), ('wsrep_cluster_size', '{size}'))
HAVING COUNT(*) = 3"""


class Member(Node):
    """One server of a Galera cluster. All could take writes; that of the lowest place does."""

    primary_query = """SELECT COUNT(*) FROM information_schema.global_status
    WHERE (variable_name, variable_value) IN
        (('wsrep_ready', 'ON'), ('wsrep_cluster_status', 'Primary'), ('wsrep_local_index', '0'))
    HAVING COUNT(*) = 3"""

    def __init__(
        self, directory: Path, program: Program, number: int, ports: Sequence[int]
    ) -> None:
        super().__init__("mariadb", directory, program, [])
        own = ports[number]
        heard = f"gmcast.listen_addr=tcp://{LOOPBACK}:{own}"
        addresses = ",".join(f"{LOOPBACK}:{port}" for port in ports)
        self.options = [
            *_OPTIONS,
            *([f"--user={USER}"] if os.geteuid() == 0 else []),
            f"--server-id={number + 1}",
            f"--wsrep-node-name=node-{number + 1}",
            f"--wsrep-cluster-address=gcomm://{addresses}",
            f"--wsrep-sst-receive-address={LOOPBACK}:{free_port()}",
            f"--wsrep-provider-options={heard};ist.recv_addr={LOOPBACK}:{free_port()};{_WATCH}",
        ]

    def _prepare(self) -> None:
        super()._prepare()
        if os.geteuid() == 0:
            subprocess.run(["chown", "--recursive", USER, self.directory], check=True)

    def begin(self) -> None:
        """Start as the first of a new cluster."""
        self.options.append("--wsrep-new-cluster")
        self.start()
        self.options.pop()

    def is_synced(self, size: int) -> bool:
        """Whether it is one of so many that go on together."""
        try:
            return bool(self.ask(_SYNCED.format(size=size)))
        except (pymysql.Error, OSError):
            return False


class Galera:
    """Three nodes that certify every commit; a majority goes on without the others."""

    def __init__(self, nodes: Sequence[Member]) -> None:
        self.nodes = nodes

    def primary(self) -> Member:
        """Return the node that is to take writes; waits for one."""
        end = time.monotonic() + JOIN_SECONDS
        while time.monotonic() < end:
            for node in self.nodes:
                if node.is_primary():
                    return node
            time.sleep(0.2)
        raise ServerError("The cluster has no primary component.")

    def wait_until_synced(self) -> None:
        """Wait until all nodes go on together."""
        end = time.monotonic() + JOIN_SECONDS
        while not all(node.is_synced(len(self.nodes)) for node in self.nodes):
            if time.monotonic() > end:
                raise ServerError("The nodes did not find together: see their logs.")
            time.sleep(0.2)


@contextmanager
def galera(folder: Path) -> Iterator[Galera]:
    """Start a cluster of three nodes whose data lie in `folder`; it ends with the block.

    Everybody must be let into the folder.
    """
    program = find_database("mariadb")
    if program is None or not PROVIDER.exists():
        raise ProgramMissingError(["mariadb"])
    ports = [free_port() for _ in range(3)]
    nodes = [Member(folder / f"node-{number}", program, number, ports) for number in range(3)]
    with ExitStack() as stack:
        for node in nodes:
            stack.callback(node.stop)
        nodes[0].begin()
        for node in nodes[1:]:
            node.start()
        made = Galera(nodes)
        made.wait_until_synced()
        yield made
