"""What can go wrong with a private server.

ServerError
├── ProgramMissingError   the program is not on this machine
└── NotServedError        the package index could not serve it
"""

from collections.abc import Sequence

PACKAGES = {
    "mysql": "mysql-server-core-8.0 on Ubuntu, community-mysql-server on Fedora, or mysql from"
    " Homebrew on macOS (Debian has MariaDB only: DB=mariadb)",
    "mariadb": "mariadb-server-core on Debian and Ubuntu, mariadb-server on Fedora, or mariadb from"
    " Homebrew on macOS",
    "postgres": "postgresql on Debian and Ubuntu, postgresql-server on Fedora, or postgresql from"
    " Homebrew on macOS",
    "redis": "redis-server on Debian and Ubuntu, valkey-compat-redis on Fedora, or redis from"
    " Homebrew on macOS",
}
VARIABLES = {"mysql": "DATABASE_URL", "mariadb": "DATABASE_URL", "redis": "REDIS_URL"}
"""Of the kinds that may run elsewhere."""


class ServerError(Exception):
    """A private server could not be had; the text is one sentence for a person."""


class ProgramMissingError(ServerError):
    """No program for these kinds of server is on this machine; any one of them would do."""

    def __init__(self, kinds: Sequence[str]) -> None:
        packages = "; or ".join(PACKAGES[kind] for kind in kinds)
        variable = VARIABLES.get(kinds[0])
        elsewhere = f"; or set {variable} to a server that runs elsewhere" if variable else ""
        super().__init__(
            f"No {' or '.join(kinds)} server was found: install {packages}{elsewhere}."
        )


class NotServedError(ServerError):
    """The package index was asked twice and could not serve a package."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"The package index could not serve {what}: {why}.")
