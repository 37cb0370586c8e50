"""One server of several: asked as root, frozen, thawed."""

import os
import signal

import pymysql

from tools.servers.ports import LOOPBACK
from tools.servers.sql import Database

ASK_SECONDS = 2.0
ORDER_SECONDS = 60.0
"""How long an order may take that has others answer first, such as to leave or to join."""


class Node(Database):
    """One server of several, of which one takes writes.

    primary_query: finds something where this server takes writes.
    """

    primary_query = "SELECT 1 FROM DUAL WHERE NOT @@GLOBAL.read_only"

    def ask(self, *statements: str, seconds: float = ASK_SECONDS) -> tuple[tuple[object, ...], ...]:
        """Do statements as root, and return what the last one found."""
        connection = pymysql.connect(
            host=LOOPBACK,
            port=self.port,
            user="root",
            connect_timeout=ASK_SECONDS,
            read_timeout=seconds,
            autocommit=True,
        )
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return tuple(cursor.fetchall())

    def is_primary(self) -> bool:
        """Whether it takes writes, as far as it can tell."""
        try:
            return bool(self.ask(self.primary_query))
        except (pymysql.Error, OSError):
            return False

    def freeze(self) -> None:
        """Let it hang."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)
