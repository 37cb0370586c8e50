"""Engines, and what every session forces whatever the server's defaults are."""

import json
import ssl
from datetime import datetime
from functools import cache, partial
from typing import Any

from pymysql.connections import Connection as PyMySQLConnection
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from schema.runtime import failover
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.errors import READ_ONLY, error_code

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30
LOCK_SECONDS = 5

SESSION_TIMEOUT_SECONDS = 30
"""The server ends a session that is silent for so long: a frozen process frees its locks."""

POOL_RECYCLE_SECONDS = 20
"""Less than SESSION_TIMEOUT_SECONDS, so that the pool hands out no session that was ended."""

SQL_MODE = (
    "STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
)

# /*M! is read by MariaDB alone, /*!80000 by MySQL alone. MariaDB turns a long IN of a locking
# SELECT into a temporary table unless told not to.
_SESSION = f"""SET SESSION
    time_zone = '+00:00',
    sql_mode = '{SQL_MODE}',
    collation_connection = 'utf8mb4_bin',
    innodb_lock_wait_timeout = %s,
    lock_wait_timeout = %s,
    wait_timeout = {SESSION_TIMEOUT_SECONDS}
    /*!80000 , transaction_isolation = 'READ-COMMITTED' */
    /*M! , tx_isolation = 'READ-COMMITTED', in_predicate_conversion_threshold = 0 */"""


def create_thread_engine(
    address: DatabaseAddress, *, connections: int = 5, answer_seconds: int = READ_TIMEOUT_SECONDS
) -> Engine:
    """Return an engine on PyMySQL with at most `connections` connections.

    A server that does not answer for `answer_seconds` is given up; locks are waited for less
    long than that. It pings no connection before its use: callers do again what failed because
    the first statement met a dead one. Of several servers it takes the one that takes writes.
    """
    if len(address.servers) > 1:
        answer_seconds = min(answer_seconds, failover.ANSWER_SECONDS)
    engine = create_engine(
        _url(address, "mysql+pymysql"),
        pool_size=connections,
        connect_args={
            "connect_timeout": min(CONNECT_TIMEOUT_SECONDS, answer_seconds),
            "read_timeout": answer_seconds,
            "write_timeout": answer_seconds,
            "conv": _CONVERSIONS,
        },
        **_POOL,
    )
    _force_session(engine, lock_seconds=min(LOCK_SECONDS, answer_seconds - 1))
    _follow_primary(engine, address, failover.open_when_greeted)
    return engine


def create_asyncio_engine(
    address: DatabaseAddress,
    *,
    connections: int = 10,
    autocommit: bool = False,
    lock_seconds: int = LOCK_SECONDS,
) -> AsyncEngine:
    """Return an engine on asyncmy with at most `connections` connections.

    It has no read timeout (asyncmy stalls with one, its issue 155): callers put an
    `asyncio.timeout` around each transaction. It pings no connection either. With `autocommit` each
    statement is a transaction of its own: for reads that are one statement.
    """
    options = _POOL | (_AUTOCOMMIT if autocommit else {})
    engine = create_async_engine(
        _url(address, "mysql+asyncmy"),
        pool_size=connections,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS},
        **options,
    )
    _force_session(engine.sync_engine, lock_seconds=lock_seconds)
    _follow_primary(engine.sync_engine, address, failover.open_at_once)
    return engine


# Ten times as fast as PyMySQL's own; the times of a claim are a fifth of its reading.
_CONVERSIONS = conversions | {
    FIELD_TYPE.DATETIME: datetime.fromisoformat,
    FIELD_TYPE.TIMESTAMP: datetime.fromisoformat,
}


@cache
def _tls() -> ssl.SSLContext:
    """Return what connections need for TLS where nothing is said of it, the same for all.

    PyMySQL makes it anew for each, with every CA of this machine: 18 ms, and a megabyte that a
    connection which broke keeps until the garbage collector comes.
    """
    made: ssl.SSLContext = _own_tls(None, {})
    return made


_own_tls = PyMySQLConnection._create_ssl_ctx  # noqa: SLF001
PyMySQLConnection._create_ssl_ctx = (  # noqa: SLF001
    lambda self, options: _own_tls(self, options) if options else _tls()
)

_POOL: dict[str, Any] = {
    "max_overflow": 0,
    "pool_timeout": CONNECT_TIMEOUT_SECONDS,
    "pool_recycle": POOL_RECYCLE_SECONDS,
    # A ping and a ROLLBACK cost a request as much as its SELECT. Closing a Connection rolls back
    # what is open without the pool's help.
    "pool_reset_on_return": None,
    "pool_use_lifo": True,
    # As people read it: MariaDB stores the text as it comes, and does not find 高 in "\\u9ad8".
    "json_serializer": partial(json.dumps, ensure_ascii=False),
}

_AUTOCOMMIT: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}


def _url(address: DatabaseAddress, driver: str) -> URL:
    return URL.create(
        driver,
        username=address.user,
        password=address.password,
        host=address.servers[0].host,
        port=address.servers[0].port,
        database=address.database,
        query=dict(address.options),
    )


def _follow_primary(engine: Engine, address: DatabaseAddress, open_: failover.Open) -> None:
    if len(address.servers) > 1:
        failover.follow_primary(engine, failover.route_to(address.servers), open_)


def _force_session(engine: Engine, *, lock_seconds: int) -> None:
    def set_session(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        try:
            cursor.execute(_SESSION, (lock_seconds, 2 * lock_seconds))
        finally:
            cursor.close()

    event.listen(engine, "connect", set_session)
    event.listen(engine, "handle_error", _leave_demoted_primary)


def _leave_demoted_primary(context: ExceptionContext) -> None:
    """Drop connections to a server that became read-only: SQLAlchemy would keep them for ever."""
    if error_code(context.original_exception) in READ_ONLY:
        context.is_disconnect = True
