"""How Alembic reaches the database: the one that DATABASE_URL names."""

import logging

from alembic import context

from schema.models import metadata
from schema.runtime.engine import create_thread_engine
from schema.runtime.settings import settings

log = logging.getLogger("alembic.runtime.migration")


def run() -> None:
    """Run the migrations, or print their SQL with `--sql`."""
    if context.is_offline_mode():
        context.configure(dialect_name="mysql", target_metadata=metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    engine = create_thread_engine(settings().database, connections=1)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
