"""Where the database is: DATABASE_URL, taken apart."""

from dataclasses import dataclass

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

SCHEMES = {"mysql", "mysql+pymysql", "mysql+asyncmy", "mariadb", "mariadb+pymysql"}


class DatabaseAddressError(Exception):
    """DATABASE_URL cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """One database on one server, for both drivers."""

    url: URL

    @classmethod
    def parse(cls, text: str) -> "DatabaseAddress":
        """Return the address in `text`, such as mysql://user:password@host:3306/name.

        Raises DatabaseAddressError when it is not a MySQL or MariaDB address with a database.
        """
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            raise DatabaseAddressError(
                "it is not an address such as mysql://user:password@host:3306/database"
            ) from None
        if url.drivername not in SCHEMES:
            raise DatabaseAddressError(
                f"it must begin with mysql:// or mysql+pymysql://, not {url.drivername}://"
            )
        if not url.database:
            raise DatabaseAddressError("it must name a database, as in mysql://host:3306/database")
        return cls(url.set(drivername="mysql"))

    def for_threads(self) -> URL:
        """Return the address for PyMySQL."""
        return self.url.set(drivername="mysql+pymysql")

    def for_asyncio(self) -> URL:
        """Return the address for asyncmy."""
        return self.url.set(drivername="mysql+asyncmy")
