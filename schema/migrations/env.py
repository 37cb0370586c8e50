"""How Alembic reaches the database: the one that DATABASE_URL names."""

import time

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from schema.models import metadata
from schema.runtime.engine import create_thread_engine
from schema.runtime.errors import LOCK_WAIT, error_code
from schema.runtime.settings import SettingsError, settings
from schema.server import WrongServerError, check_version

LOCK_SECONDS = 1
"""How long a migration waits for whoever uses a table: all claims wait behind it."""

TRIES = 30
PAUSE_SECONDS = 0.5
"""It tries again: between two claims a moment will come. Behind a dump it gives up."""


def run() -> None:
    """Run the migrations, or print their SQL with `--sql`.

    Raises CommandError, which Alembic prints as one line, for wrong settings or no database.
    """
    if context.is_offline_mode():
        context.configure(dialect_name="mysql", target_metadata=metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    with _connected() as connection:
        connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}")
        connection.commit()  # else Alembic would leave its own transaction to us
        for attempt in range(1, TRIES + 1):
            try:
                _migrate(connection)
                break
            except DBAPIError as error:
                if error_code(error) != LOCK_WAIT or attempt == TRIES:
                    raise
                connection.rollback()
                time.sleep(PAUSE_SECONDS)
    connection.engine.dispose()


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


def _connected() -> Connection:
    """Connect, and see that the server is one to stand on: DDL cannot be taken back."""
    try:
        connection = create_thread_engine(settings().database, connections=1).connect()
        check_version(connection)
        connection.rollback()
    except (SettingsError, WrongServerError) as error:
        raise CommandError(str(error)) from None
    except DBAPIError as error:
        raise CommandError(f"DATABASE_URL: the database cannot be used: {error.orig}") from None
    return connection


run()
