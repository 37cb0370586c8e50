"""MySQL Group Replication: nodes that are started, joined, asked who is the primary."""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pymysql

from tools.cluster.node import ORDER_SECONDS, Node
from tools.servers.errors import ProgramMissingError, ServerError
from tools.servers.ports import LOOPBACK, free_port
from tools.servers.programs import Program, find_database
from tools.servers.sql import NAME

JOIN_SECONDS = 60.0

_OPTIONS = (
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--log-bin=binlog",
    f"--report-host={LOOPBACK}",
    "--plugin-load-add=group_replication.so",
    "--loose-group-replication-start-on-boot=OFF",
    "--loose-group-replication-recovery-use-ssl=OFF",
    "--loose-group-replication-recovery-get-public-key=ON",
    "--loose-group-replication-message-cache-size=134217728",
    "--innodb-buffer-pool-size=64M",
    "--loose-group-replication-ssl-mode=DISABLED",
    "--loose-group-replication-member-expel-timeout=0",
)

_USER = (
    "SET SESSION sql_log_bin = 0",
    "CREATE USER IF NOT EXISTS replica IDENTIFIED BY 'replica'",
    "GRANT REPLICATION SLAVE, BACKUP_ADMIN, CONNECTION_ADMIN ON *.* TO replica",
    "SET SESSION sql_log_bin = 1",
    """CHANGE REPLICATION SOURCE TO SOURCE_USER = 'replica', SOURCE_PASSWORD = 'replica'
        FOR CHANNEL 'group_replication_recovery'""",
)

_PRIMARY = """SELECT MEMBER_PORT FROM performance_schema.replication_group_members
WHERE MEMBER_ROLE = 'PRIMARY' AND MEMBER_STATE = 'ONLINE'"""
_ONLINE = """SELECT COUNT(*) FROM performance_schema.replication_group_members
WHERE MEMBER_STATE = 'ONLINE'"""


class Member(Node):
    """One server of a group."""

    primary_query = f"{_PRIMARY} AND MEMBER_ID = @@server_uuid"

    def __init__(
        self, directory: Path, program: Program, number: int, group: Sequence[str]
    ) -> None:
        super().__init__("mysql", directory, program, [])
        self.options = [
            *_OPTIONS,
            f"--server-id={number}",
            f"--loose-group-replication-group-name={group[0]}",
            f"--loose-group-replication-local-address={group[number]}",
            f"--loose-group-replication-group-seeds={','.join(group[1:])}",
        ]

    def _command(self) -> list[str]:
        return [*super()._command(), f"--report-port={self.port}"]

    def enter(self) -> None:
        """Join the group."""
        self.ask("START GROUP_REPLICATION", seconds=ORDER_SECONDS)

    def leave(self) -> None:
        """Leave the group."""
        self.ask("STOP GROUP_REPLICATION", seconds=ORDER_SECONDS)


class Cluster:
    """Three nodes that agree on every commit; a majority goes on without the others."""

    def __init__(self, nodes: Sequence[Member]) -> None:
        self.nodes = nodes

    @property
    def url(self) -> str:
        """The address for DATABASE_URL, with all nodes."""
        hosts = ",".join(f"{LOOPBACK}:{node.port}" for node in self.nodes)
        return f"mysql://root@{hosts}/{NAME}"

    def found(self) -> None:
        """Make the group: the first node begins, the others join it."""
        for node in self.nodes:
            node.ask(*_USER)
        self.nodes[0].ask("SET GLOBAL group_replication_bootstrap_group = ON")
        self.nodes[0].enter()
        self.nodes[0].ask("SET GLOBAL group_replication_bootstrap_group = OFF")
        for node in self.nodes[1:]:
            node.enter()
        self.wait_until_online()

    def join(self, node: Member) -> None:
        """Bring a node back that was killed, or that the others had given up."""
        node.start()
        end = time.monotonic() + JOIN_SECONDS
        while not self._sees_all(node):
            if time.monotonic() > end:
                raise ServerError(f"The node did not come back: see {node.log}.")
            for order in (node.leave, node.enter):
                with suppress(pymysql.Error, OSError):
                    order()
        self.wait_until_online()

    def primary(self) -> Member:
        """Return the node that takes writes; waits for one to be elected."""
        end = time.monotonic() + JOIN_SECONDS
        while time.monotonic() < end:
            for node in self.nodes:
                if node.is_primary():
                    return node
            time.sleep(0.2)
        raise ServerError("The cluster has no primary.")

    def switch_to(self, node: Member) -> None:
        """Make a node the primary, as planned work does."""
        ((member,),) = node.ask("SELECT @@server_uuid")
        order = f"SELECT group_replication_set_as_primary('{member}')"
        self.primary().ask(order, seconds=ORDER_SECONDS)

    def wait_until_online(self) -> None:
        """Wait until all nodes are members of the group."""
        end = time.monotonic() + JOIN_SECONDS
        while not all(self._sees_all(node) for node in self.nodes):
            if time.monotonic() > end:
                raise ServerError("The nodes did not find together: see their logs.")
            time.sleep(0.2)

    def _sees_all(self, node: Member) -> bool:
        try:
            return node.ask(_ONLINE) == ((len(self.nodes),),)
        except (pymysql.Error, OSError):
            return False


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster of three nodes whose data lie in `folder`; it ends with the block."""
    program = find_database("mysql")
    if program is None:
        raise ProgramMissingError(["mysql"])
    group = [str(uuid.uuid4()), *(f"{LOOPBACK}:{free_port()}" for _ in range(3))]
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(Member(folder / f"node-{number}", program, number, group))
            for number in (1, 2, 3)
        ]
        made = Cluster(nodes)
        made.found()
        yield made
