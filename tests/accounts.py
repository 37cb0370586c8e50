"""Users of the database who may do some things and not others."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from schema.grants import Privilege
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.transactions import transaction
from tools.servers import Database

NAME = "limited"


@dataclass(frozen=True)
class Account:
    """A user without a password, and what root gives and takes."""

    root: Engine
    url: str
    name: str = NAME

    @property
    def address(self) -> DatabaseAddress:
        return DatabaseAddress.parse(self.url)

    def grant(self, table: str, privilege: Privilege) -> None:
        self._say(f"GRANT {privilege} ON {table} TO {self.name}")

    def revoke(self, table: str, privilege: Privilege) -> None:
        self._say(f"REVOKE {privilege} ON {table} FROM {self.name}")

    def _say(self, statement: str) -> None:
        with transaction(self.root) as connection:
            connection.exec_driver_sql(statement)


@contextmanager
def account(
    engine: Engine, server: Database, allowed: Iterable[tuple[str, Privilege]]
) -> Iterator[Account]:
    """Make a user who may do what is allowed, and read which migration the tables are at."""
    one = Account(engine, server.url.replace("root@", f"{NAME}@"))
    one._say(f"CREATE USER {NAME}")
    try:
        one.grant("alembic_version", Privilege.SELECT)
        for table, privilege in allowed:
            one.grant(table, privilege)
        yield one
    finally:
        one._say(f"DROP USER {NAME}")
