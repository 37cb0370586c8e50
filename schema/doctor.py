"""The doctor: looks at the server, the tables and the work, and says what to do.

Every look takes a connection and yields findings. None changes anything.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from schema import counts, dispatcher, pressure, server
from schema.findings import DOUBT, FAULT, Finding
from schema.models import metadata
from schema.runtime.errors import DENIED, error_code
from schema.server import WrongServerError

CLOCK_SECONDS = 2.0
COUNTS_SECONDS = 900.0
LOCK_WAIT_SECONDS = 5

NOT_ALLOWED = DENIED | {1227}
"""1227: a privilege such as PROCESS is missing."""

Look = Callable[[Connection], Iterator[Finding]]

_OLD_RELEASES = {"MySQL": ((8, 4), "8.0 gets no fixes"), "MariaDB": ((10, 11), "10.6 gets none")}
_GLOBALS = (
    "version",
    "log_bin",
    "binlog_format",
    "innodb_flush_log_at_trx_commit",
    "sync_binlog",
    "innodb_buffer_pool_size",
)
_SESSION = """SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW()) AS shift,
    @@character_set_connection AS charset, UTC_TIMESTAMP(6) AS now"""
_COLLATIONS = """SELECT DISTINCT collation_name FROM information_schema.columns
WHERE table_schema = DATABASE() AND collation_name <> 'utf8mb4_bin'
    AND table_name <> 'alembic_version'"""
_VIEWS = "SELECT COUNT(*) FROM information_schema.views WHERE table_schema = DATABASE()"
_LOCK_WAITS = """SELECT COUNT(*) FROM information_schema.innodb_trx
WHERE trx_state = 'LOCK WAIT' AND trx_wait_started
    < CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM') - INTERVAL %s SECOND"""
_SIZES = """SELECT COALESCE(SUM(data_length), 0), COALESCE(SUM(index_length), 0)
FROM information_schema.tables WHERE table_schema = DATABASE()"""
_ANY_QUEUE = "SELECT 1 FROM queues LIMIT 1"
_LIVE = "SELECT COUNT(*) FROM workers WHERE status = 'alive'"


def examine(connection: Connection, looks: tuple[Look, ...] | None = None) -> Iterator[Finding]:
    """Yield what the looks find; one that is not allowed is a doubt, not an end."""
    for look in LOOKS if looks is None else looks:
        about = look.__name__.strip("_")
        try:
            yield from look(connection)
        except DBAPIError as error:
            yield _unseen(about, error)
        except WrongServerError as error:
            yield Finding(about, str(error), FAULT, "See the README for what a server needs.")


def _unseen(about: str, error: DBAPIError) -> Finding:
    text = str(getattr(error.orig, "args", [error])[-1])
    if error_code(error) not in NOT_ALLOWED:
        return Finding(about, text, FAULT, "Mend what the server says.")
    return Finding(about, text, DOUBT, "It takes the privilege PROCESS: schema/grants.sql.")


def _version(connection: Connection) -> Iterator[Finding]:
    product = server.check_version(connection)
    name, _, number = product.partition(" ")
    minimum, text = _OLD_RELEASES[name]
    if server.version_of(number) < minimum:
        yield Finding("server", f"{product}: {text} any more", DOUBT, "Plan an upgrade.")
    else:
        yield Finding("server", product)


def _settings(connection: Connection) -> Iterator[Finding]:
    values = _variables(connection)
    binlog = values.get("binlog_format", "none") if values["log_bin"] == "ON" else "off"
    yield Finding("binlog", f"the binary log is {binlog}")
    syncs = values["innodb_flush_log_at_trx_commit"], values.get("sync_binlog", "1")
    if syncs[0] != "1" or (values["log_bin"] == "ON" and syncs[1] != "1"):
        text = f"innodb_flush_log_at_trx_commit = {syncs[0]}, sync_binlog = {syncs[1]}"
        remedy = "Set both to 1, or a crash of the machine loses what was acknowledged."
        yield Finding("durable", text, DOUBT, remedy)
    else:
        yield Finding("durable", "every COMMIT is on disk before it is answered")


def _migration(connection: Connection) -> Iterator[Finding]:
    current, head = server.revisions(connection)
    if current != head:
        remedy = "Run `alembic upgrade head`, or deploy the code that the database is made for."
        yield Finding("tables", f"at revision {current}, the code is at {head}", FAULT, remedy)
    elif connection.exec_driver_sql(_VIEWS).scalar_one() == 0:
        yield Finding(
            "tables", "the views are missing", FAULT, "Run `alembic downgrade 0001`, then upgrade."
        )
    else:
        yield Finding("tables", f"at revision {current}")


def _drift(connection: Connection) -> Iterator[Finding]:
    changes = compare_metadata(MigrationContext.configure(connection), metadata)
    if changes:
        text = f"{len(changes)} differences to the models, such as {changes[0]!r:.200}"
        remedy = "Undo what was changed by hand; `alembic check` lists all."
        yield Finding("drift", text, FAULT, remedy)
    else:
        yield Finding("drift", "none: tables, columns and indexes are as declared")


def _claim(connection: Connection) -> Iterator[Finding]:
    server.check_claim_plan(connection)
    yield Finding("claim", "claims go by their index, with today's statistics")


def _session(connection: Connection) -> Iterator[Finding]:
    isolation = connection.get_isolation_level()
    if isolation != "READ COMMITTED":
        yield Finding("isolation", isolation, FAULT, "Let no proxy change it: SET SESSION is ours.")
    else:
        yield Finding("isolation", isolation)
    row = connection.exec_driver_sql(_SESSION).one()
    if row.shift:
        remedy = "Let no proxy drop the session's time_zone."
        yield Finding("time zone", f"sessions are {row.shift} s from UTC", FAULT, remedy)
    else:
        yield Finding("time zone", "sessions are in UTC")
    seconds = abs((row.now.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds())
    if seconds > CLOCK_SECONDS:
        remedy = "Let both hosts keep the time by NTP."
        yield Finding("clock", f"{seconds:.1f} s from the server's", DOUBT, remedy)
    else:
        yield Finding("clock", f"{seconds:.1f} s from the server's")


def _charset(connection: Connection) -> Iterator[Finding]:
    others = connection.exec_driver_sql(_COLLATIONS).scalars().all()
    if others:
        remedy = "ALTER TABLE ... CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin."
        yield Finding("charset", f"columns in {', '.join(map(str, others))}", FAULT, remedy)
    else:
        yield Finding("charset", "utf8mb4_bin everywhere")


def _purge(connection: Connection) -> Iterator[Finding]:
    found = pressure.look(connection)
    remedy = "Look for a transaction that is open for long; when there is none, wait."
    word = {"word": DOUBT, "remedy": remedy} if found.is_long else {}
    yield Finding("history", f"{found.history} row versions wait for the purge", **word)
    if found.old is not None:
        remedy = "Ask its owner to end it, or KILL the thread: it holds up the purge."
        yield Finding("snapshot", str(found.old), DOUBT, remedy)
    else:
        yield Finding("snapshot", "no transaction has been open for long")


def _locks(connection: Connection) -> Iterator[Finding]:
    waiting = connection.exec_driver_sql(_LOCK_WAITS, (LOCK_WAIT_SECONDS,)).scalar_one()
    text = f"{waiting} transactions have waited {LOCK_WAIT_SECONDS} s or more for a lock"
    if waiting:
        remedy = "SELECT * FROM sys.innodb_lock_waits says for whom they wait."
        yield Finding("locks", text, DOUBT, remedy)
    else:
        yield Finding("locks", text)


def _sizes(connection: Connection) -> Iterator[Finding]:
    data, index = (int(each) >> 20 for each in connection.exec_driver_sql(_SIZES).one())
    pool = int(_variables(connection)["innodb_buffer_pool_size"]) >> 20
    text = f"{data} MB of rows, {index} MB of indexes, a buffer pool of {pool} MB"
    if data + index > 4 * pool and data + index > 1_024:
        remedy = "Raise innodb_buffer_pool_size, or lower RETENTION_DAYS."
        yield Finding("sizes", text, DOUBT, remedy)
    else:
        yield Finding("sizes", text)


def _work(connection: Connection) -> Iterator[Finding]:
    age = counts.age_seconds(connection)
    if connection.exec_driver_sql(_ANY_QUEUE).first() is None:
        yield Finding("reaper", "no queue is there yet to be counted")
    elif age is None or age > COUNTS_SECONDS:
        text = "nobody has counted tasks" + ("" if age is None else f" for {age:.0f} s")
        yield Finding("reaper", text, DOUBT, "Start a reaper: python -m reaper.")
    else:
        yield Finding("reaper", f"counted tasks {age:.0f} s ago")
    live = connection.exec_driver_sql(_LIVE).scalar_one()
    if live == 0:
        yield Finding("workers", "none is alive", DOUBT, "Start one: python -m worker.")
    else:
        yield Finding("workers", f"{live} alive")
    if dispatcher.state(connection).is_running:
        yield Finding("claims", "the dispatcher runs")
    else:
        remedy = "POST /dispatcher/start when tasks shall be claimed again."
        yield Finding("claims", "the dispatcher is stopped", DOUBT, remedy)


def _variables(connection: Connection) -> dict[str, Any]:
    names = ",".join(f"'{name}'" for name in _GLOBALS)
    rows = connection.exec_driver_sql(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
    return {row[0]: row[1] for row in rows}


QUICK: tuple[Look, ...] = (
    _version,
    _settings,
    _migration,
    _claim,
    _session,
    _charset,
    _purge,
    _locks,
    _sizes,
    _work,
)
"""What is looked at within some milliseconds."""

LOOKS: tuple[Look, ...] = (*QUICK, _drift)
