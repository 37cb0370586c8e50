"""A MariaDB primary with a semi-synchronous replica: what is acknowledged is on both."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pymysql

from tools.cluster.node import ORDER_SECONDS, Node
from tools.servers.errors import ProgramMissingError, ServerError
from tools.servers.ports import LOOPBACK
from tools.servers.programs import find_database
from tools.servers.sql import NAME

_OPTIONS = (
    "--log-bin=binlog",
    "--log-slave-updates",
    "--gtid-strict-mode=ON",
    "--innodb-buffer-pool-size=64M",
    # Whoever starts is a replica until it is told otherwise.
    "--read-only=ON",
    "--rpl-semi-sync-slave-enabled=ON",
    "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
    "--rpl-semi-sync-master-timeout=60000",
)

_FOLLOW = """CHANGE MASTER TO MASTER_HOST = '{host}', MASTER_PORT = {port},
    MASTER_USER = 'replica', MASTER_PASSWORD = 'replica', MASTER_USE_GTID = slave_pos"""

# Root may write to a server that is read-only: nobody's work may be done as root.
_USERS = (
    "CREATE USER replica IDENTIFIED BY 'replica'",
    "GRANT REPLICATION SLAVE ON *.* TO replica",
    "CREATE USER app IDENTIFIED BY 'app'",
    f"GRANT ALL ON {NAME}.* TO app",
)


class Pair:
    """Two servers, one of which takes writes and waits for the other before it answers."""

    def __init__(self, primary: Node, replica: Node) -> None:
        self.primary = primary
        self.replica = replica

    @property
    def url(self) -> str:
        """The address for DATABASE_URL, with both."""
        hosts = ",".join(f"{LOOPBACK}:{node.port}" for node in (self.primary, self.replica))
        return f"mysql://app:app@{hosts}/{NAME}"

    def found(self) -> None:
        """Let the replica follow the primary, which takes writes from then on."""
        self.primary.ask(*_USERS)
        self.replica.ask("SET SESSION sql_log_bin = 0", "RESET MASTER")
        self._follow()
        self._lead()

    def promote(self) -> None:
        """Make the replica of a dead primary the primary, with all that it was sent."""
        self._take_over()
        self.replica.ask("SET GLOBAL rpl_semi_sync_master_enabled = OFF")
        self.replica.ask("SET GLOBAL read_only = OFF")
        self.primary, self.replica = self.replica, self.primary

    def switch(self) -> None:
        """Exchange the two, as planned work does."""
        self.primary.ask("SET GLOBAL read_only = ON", seconds=ORDER_SECONDS)
        ((position,),) = self.primary.ask("SELECT @@GLOBAL.gtid_binlog_pos")
        self.replica.ask(f"SELECT MASTER_GTID_WAIT('{position}', 60)", seconds=ORDER_SECONDS)
        self._take_over()
        self.primary.ask(f"SET GLOBAL gtid_slave_pos = '{position}'")
        self.primary, self.replica = self.replica, self.primary
        self._follow()
        self._lead()

    def _follow(self) -> None:
        follow = _FOLLOW.format(host=LOOPBACK, port=self.primary.port)
        self.replica.ask(follow, "START SLAVE")

    def _lead(self) -> None:
        """Take writes, but only together with the replica."""
        self.primary.ask("SET GLOBAL rpl_semi_sync_master_enabled = ON")
        end = time.monotonic() + ORDER_SECONDS
        clients = "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_clients'"
        while self.primary.ask(clients)[0][1] != "1":
            _check(end, self.replica)
        self.primary.ask("SET GLOBAL read_only = OFF")

    def _take_over(self) -> None:
        """Let the replica do all that it was sent, and follow nobody any more."""
        self.replica.ask("STOP SLAVE IO_THREAD", seconds=ORDER_SECONDS)
        end = time.monotonic() + ORDER_SECONDS
        while not self._has_caught_up():
            _check(end, self.replica)
        self.replica.ask("STOP SLAVE", "RESET SLAVE ALL", seconds=ORDER_SECONDS)

    def _has_caught_up(self) -> bool:
        with pymysql.connect(host=LOOPBACK, port=self.replica.port, user="root") as connection:
            cursor = connection.cursor(pymysql.cursors.DictCursor)
            cursor.execute("SHOW SLAVE STATUS")
            found: Any = cursor.fetchone()
        read = (found["Master_Log_File"], found["Read_Master_Log_Pos"])
        return bool(read == (found["Relay_Master_Log_File"], found["Exec_Master_Log_Pos"]))


def _check(end: float, node: Node) -> None:
    if time.monotonic() > end:
        raise ServerError(f"The replica did not come along: see {node.log}.")
    time.sleep(0.05)


@contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """Start a primary and its replica whose data lie in `folder`; they end with the block."""
    program = find_database("mariadb")
    if program is None:
        raise ProgramMissingError(["mariadb"])
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(
                Node("mariadb", folder / name, program, [*_OPTIONS, f"--server-id={number}"])
            )
            for number, name in enumerate(("one", "two"), start=1)
        ]
        made = Pair(*nodes)
        made.found()
        yield made
