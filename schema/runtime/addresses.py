"""Where the database is: DATABASE_URL, taken apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = frozenset({"mysql", "mysql+pymysql", "mysql+asyncmy", "mariadb", "mariadb+pymysql"})
PORT = 3306


class DatabaseAddressError(ValueError):
    """DATABASE_URL cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """One database on one server. `options` are the drivers' own, from behind the "?"."""

    host: str
    port: int
    database: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "DatabaseAddress":
        """Return the address in `text`, such as mysql://user:password@host:3306/database.

        Raises DatabaseAddressError when it is not a MySQL or MariaDB address with a database.
        """
        parts = urlsplit(text)
        if parts.scheme not in SCHEMES:
            raise DatabaseAddressError(
                f"it must begin with mysql:// or mysql+pymysql://, not {parts.scheme or text!r}"
            )
        try:
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise DatabaseAddressError(f"it has no usable host and port: {error}") from None
        database = unquote(parts.path.removeprefix("/"))
        if not host or not database:
            raise DatabaseAddressError(
                "it must name a host and a database, as in mysql://host:3306/database"
            )
        return cls(
            host=host,
            port=port or PORT,
            database=database,
            user=_unquoted(parts.username),
            password=_unquoted(parts.password),
            options=dict(parse_qsl(parts.query)),
        )


def _unquoted(text: str | None) -> str | None:
    return None if text is None else unquote(text)
