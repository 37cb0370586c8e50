"""`--doctor`: looks at everything that Rowlease stands on; the exit code is for CI."""

from collections.abc import Callable, Iterator

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from schema import doctor, grants, retention, server
from schema.findings import DOUBT, FAULT, Finding, tell
from schema.retention import Keep
from schema.runtime.engine import create_thread_engine
from schema.runtime.settings import Settings, SettingsError
from schema.server import WrongServerError

LOOK = 10_000


def examine(read_settings: Callable[[], Settings]) -> int:
    """Print each finding and return the exit code: 1 when there is a fault."""
    return tell(findings(read_settings))


def findings(read_settings: Callable[[], Settings]) -> Iterator[Finding]:
    """Yield what is found; without settings or a server there is nothing else to look at."""
    try:
        settings = read_settings()
    except SettingsError as error:
        yield Finding("settings", str(error), FAULT, "Set it in the environment.")
        return
    engine = create_thread_engine(settings.database)
    try:
        yield from _database(engine, settings)
    except DBAPIError as error:
        text = f"{settings.database.place}: {error.orig.args[-1] if error.orig else error}"
        yield Finding("database", text, FAULT, "Look at DATABASE_URL and at the server.")
    finally:
        engine.dispose()


def _database(engine: Engine, settings: Settings) -> Iterator[Finding]:
    with engine.connect() as connection:
        user = connection.exec_driver_sql("SELECT CURRENT_USER()").scalar_one()
        if not server.is_migrated(connection):
            yield Finding("tables", "they are missing", FAULT, "Run `alembic upgrade head`.")
            return
        yield from doctor.examine(connection)
        yield from _skip_locked(engine)
        yield _pruning(connection, settings)
        connection.rollback()
        refused = list(grants.refused(connection, grants.REAPER))
        connection.rollback()
    for table, privilege in refused:
        remedy = "Give the user the role rowlease_reaper: schema/grants.sql."
        yield Finding("grants", f"{user} lacks {privilege} on {table}", FAULT, remedy)
    if not refused:
        yield Finding("grants", f"{user} may do what a reaper does")


def _pruning(connection: Connection, settings: Settings) -> Finding:
    keep = Keep(settings.retention_days, settings.retention_failed_days)
    due = len(retention.walk(connection, keep, 0, LOOK).due)
    text = f"{due} of the {LOOK:,} oldest tasks are due to go"
    if due <= LOOK / 10:
        return Finding("pruning", text)
    remedy = "Let a reaper run: it prunes at its start and then hourly; its log says how many."
    return Finding("pruning", text, DOUBT, remedy)


def _skip_locked(engine: Engine) -> Iterator[Finding]:
    try:
        with engine.connect() as first, engine.connect() as second:
            server.check_skip_locked(first, second)
    except WrongServerError as error:
        yield Finding("locking", str(error), FAULT, "Use MySQL 8.0+ or MariaDB 10.6+ themselves.")
    else:
        yield Finding("locking", "SKIP LOCKED skips what another session has locked")
