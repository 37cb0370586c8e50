"""Where the database is: DATABASE_URL, taken apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = frozenset({"mysql", "mysql+pymysql", "mysql+asyncmy", "mariadb", "mariadb+pymysql"})
PORT = 3306


class DatabaseAddressError(ValueError):
    """DATABASE_URL cannot be used; the message says why."""


class Server(NamedTuple):
    """Where one server listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """One database, on one server or on several of which one takes writes.

    `options` are the drivers' own, from behind the "?".
    """

    servers: tuple[Server, ...]
    database: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "DatabaseAddress":
        """Return the address in `text`, such as mysql://user:password@host:3306/database.

        Several servers stand behind one another: mysql://user:password@one:3306,two:3306/database.
        Raises DatabaseAddressError when it is not a MySQL or MariaDB address with a database.
        """
        scheme, _, rest = text.partition("://")
        if scheme not in SCHEMES:
            raise DatabaseAddressError(
                f"it must begin with mysql:// or mysql+pymysql://, not {scheme or text!r}"
            )
        parts = urlsplit(f"//{rest}")
        credentials, _, hosts = parts.netloc.rpartition("@")
        user, has_password, password = credentials.partition(":")
        database = unquote(parts.path.removeprefix("/"))
        if not hosts or not database:
            raise DatabaseAddressError(
                "it must name a host and a database, as in mysql://host:3306/database"
            )
        return cls(
            servers=tuple(_server(host) for host in hosts.split(",")),
            database=database,
            user=unquote(user) or None,
            password=unquote(password) if has_password else None,
            options=dict(parse_qsl(parts.query)),
        )

    @property
    def place(self) -> str:
        """Where it is, without user and password."""
        hosts = ",".join(f"{server.host}:{server.port}" for server in self.servers)
        return f"{hosts}/{self.database}"


def _server(text: str) -> Server:
    parts = urlsplit(f"//{text}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise DatabaseAddressError(f"it has no usable host and port: {error}") from None
    if not host:
        raise DatabaseAddressError("it has no usable host and port: a host is empty")
    return Server(host, port or PORT)
