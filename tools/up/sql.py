"""Open the database of `make up` in a command-line client: `make sql`."""

import os
import socket
import sys
from pathlib import Path

from schema.runtime.addresses import DatabaseAddress
from tools.servers.programs import find_client
from tools.up.private import URL_FILE

ANSWER_SECONDS = 5.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main() -> None:
    """Become the client, with this program's arguments passed on."""
    url_file = Path.cwd() / ".local" / URL_FILE
    if not url_file.exists():
        sys.exit("`make up` has not run in this checkout: run it, then `make sql` beside it.")
    client = find_client()
    if client is None:
        sys.exit(
            "No client was found: install mariadb-client on Debian and Ubuntu, mariadb on Fedora,"
            " or mariadb from Homebrew on macOS."
        )
    url = url_file.read_text()
    if not _answers(url):
        sys.exit("`make up` is not running in this checkout: start it, then `make sql` beside it.")
    words, environment = connect_words(url, client.command)
    os.execvpe(words[0], [*words, *sys.argv[1:]], environment)


def _answers(url: str) -> bool:
    try:
        socket.create_connection(DatabaseAddress.parse(url).servers[0], ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


def connect_words(url: str, client: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
    """Return the client's words for a DATABASE_URL, and its environment with the password.

    Of several servers it is the first.
    """
    address = DatabaseAddress.parse(url)
    server = address.servers[0]
    words = [
        *client,
        f"--host={server.host}",
        f"--port={server.port}",
        f"--user={address.user or ''}",
        "--default-character-set=utf8mb4",
    ]
    # MariaDB's newer clients insist on TLS, which the private server does not speak.
    if client[-1].endswith("mariadb") and server.host in LOOPBACK:
        words.append("--skip-ssl")
    password = {"MYSQL_PWD": address.password} if address.password else {}
    return [*words, address.database], {**os.environ, **password}


if __name__ == "__main__":
    main()
