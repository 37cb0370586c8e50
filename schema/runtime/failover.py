"""Several servers of which one takes writes: which that was last, and how it is found again.

Every new connection goes to the server that takes writes. When that is another one than before,
connections to the old one are dropped as they leave the pool. A server that does not answer is
tried last the next time, also when whoever asked it was given up.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from pymysql.constants import CR
from sqlalchemy import Dialect, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from schema.runtime.addresses import Server
from schema.runtime.errors import NOT_LET_IN, error_code

ANSWER_SECONDS = 8
"""No server is waited for longer than that where there are others."""

GREETING_SECONDS = 2.0
"""How soon a server must greet a new connection; one that is frozen takes it and says nothing."""

_IS_READ_ONLY = "SELECT @@GLOBAL.read_only"

Open = Callable[[Dialect, dict[str, Any]], DBAPIConnection]
"""Opens a connection of a driver to the host and port that its parameters name."""


class Route:
    """What this process knows of some servers: where to begin, and which took writes last."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self.servers = servers
        self.current: Server | None = None
        self._first = 0

    def order(self) -> Iterator[Server]:
        """Return the servers, the most likely one first.

        Whoever does not come back from one leaves the next to be tried first.
        """
        count, first = len(self.servers), self._first
        for step in range(count):
            at = (first + step) % count
            self._first = (at + 1) % count
            yield self.servers[at]

    def found(self, server: Server) -> None:
        """Take note of the server that takes writes."""
        self._first = self.servers.index(server)
        self.current = server

    def lost(self) -> None:
        """Take note that a connection broke: its server is tried last."""
        if self.current is not None and self.servers[self._first] == self.current:
            self._first = (self._first + 1) % len(self.servers)


@cache
def route_to(servers: tuple[Server, ...]) -> Route:
    """Return what this process knows of these servers; all its engines share it."""
    return Route(servers)


def follow_primary(engine: Engine, route: Route, open_: Open) -> None:
    """Have the engine connect to the one of the servers that takes writes."""

    def connect(
        dialect: Dialect, entry: ConnectionPoolEntry, _: Sequence[Any], given: dict[str, Any]
    ) -> DBAPIConnection:
        said: Exception | None = None
        for server in route.order():
            parameters = {**given, "host": server.host, "port": server.port}
            try:
                connection = open_(dialect, parameters)
                if _takes_writes(connection):
                    route.found(server)
                    entry.info["server"] = server
                    return connection
                connection.close()
            except Exception as error:  # whatever one says, the next is asked
                if error_code(error) in NOT_LET_IN:
                    raise
                said = error
        raise _none_takes_writes(dialect, len(route.servers), said)

    def check(_: DBAPIConnection, entry: ConnectionPoolEntry, __: object) -> None:
        if entry.info.get("server") != route.current:
            raise InvalidatePoolError("another server takes writes now")

    def note(context: ExceptionContext) -> None:
        if context.is_disconnect:
            route.lost()

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "checkout", check)
    event.listen(engine, "handle_error", note)


def open_when_greeted(dialect: Dialect, parameters: dict[str, Any]) -> DBAPIConnection:
    """Open a connection of PyMySQL to a server that greets soon; OSError when it does not."""
    host, port = parameters["host"], parameters["port"]
    greeted = socket.create_connection((host, port), GREETING_SECONDS)
    try:
        greeted.recv(1, socket.MSG_PEEK)
        greeted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        greeted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection: Any = dialect.connect(**parameters, defer_connect=True)
        connection.connect(greeted)
    except BaseException:
        greeted.close()
        raise
    opened: DBAPIConnection = connection
    return opened


def open_at_once(dialect: Dialect, parameters: dict[str, Any]) -> DBAPIConnection:
    """Open a connection; who waits for it limits the time."""
    return dialect.connect(**parameters)


def _takes_writes(connection: DBAPIConnection) -> bool:
    cursor = connection.cursor()
    try:
        cursor.execute(_IS_READ_ONLY)
        value: Any = cursor.fetchone()
    finally:
        cursor.close()
    connection.rollback()
    return str(value[0]) in {"0", "OFF"}


def _none_takes_writes(dialect: Dialect, count: int, said: Exception | None) -> Exception:
    words = f"none of the {count} servers takes writes"
    if said is not None:
        words += f"; one said: {said}"
    error: Exception = dialect.loaded_dbapi.OperationalError(CR.CR_CONN_HOST_ERROR, words)
    return error
