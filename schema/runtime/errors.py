"""What an error of the server or the driver means for the caller.

Numbers: the MySQL 9.7 and MariaDB 10.11 error references, and PyMySQL's and asyncmy's own.
"""

from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

READ_ONLY = frozenset({1290, 1792, 1836})
"""The server became a replica: the connection is of no use any more."""

CONFLICT = frozenset({1020, 1205, 1206, 1213})
"""Lock wait timed out, deadlock, snapshot conflict: the transaction may be done again."""

REFUSED = frozenset({1040, 1203, 1226})
"""Too many connections."""

INTERRUPTED = frozenset({1021, 1114, 1180, 1317, 1969, 3024, 3100, 3101})
"""Killed, out of time or out of space: for now."""

LOST = frozenset(
    {0, 1047, 1053, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2006, 2013, 2014, 2045, 2055, 4031}
)
"""The connection is gone or could not be made."""

NOT_LET_IN = frozenset({1044, 1045, 1049, 1698})
"""Wrong user or password, no right to the database, or no such database."""

DENIED = frozenset({1044, 1142, 1143})
"""The user may not do that in the database, to the table, to the column."""

DUPLICATE_KEY = 1062
LOCK_WAIT = 1205
"""A lock was waited for in vain; the transaction goes on."""
MISSING_TABLE = 1146
MISSING_DATABASE = 1049


def error_code(error: BaseException | None) -> int | None:
    """Return the server's or driver's number of an error, None where it has none."""
    original = error.orig if isinstance(error, DBAPIError) else error
    arguments = getattr(original, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def is_connection_lost(error: BaseException) -> bool:
    """Whether the connection ended, so that nobody knows what became of a COMMIT under way."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return error_code(error) not in READ_ONLY
    return isinstance(error, InterfaceError | OSError) or error_code(error) in LOST


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction may succeed a little later."""
    if isinstance(error, PoolTimeoutError | OSError | InterfaceError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    return (
        error.connection_invalidated
        or error_code(error) in CONFLICT | READ_ONLY | REFUSED | LOST | INTERRUPTED
    )


def is_duplicate_key(error: BaseException) -> bool:
    """Whether a unique index refused the row."""
    return error_code(error) == DUPLICATE_KEY
