"""How Alembic reaches the database: the one that DATABASE_URL names."""

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from schema.models import metadata
from schema.runtime.engine import create_thread_engine
from schema.runtime.settings import SettingsError, settings
from schema.server import WrongServerError, check_version

LOCK_SECONDS = 4
"""How long a migration waits for whoever uses a table, as a dump does."""


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
        # Who waits for a table's lock makes all claims wait behind him: rather fail, and try again.
        connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}")
        connection.commit()  # else Alembic would leave its own transaction to us
        context.configure(connection=connection, target_metadata=metadata)
        with context.begin_transaction():
            context.run_migrations()
    connection.engine.dispose()


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
