"""Install server programs, or say which there are.

python -m tools.servers install [mysql|mariadb] [redis] [chromium]

Prints the kind of database on standard output: the one asked for, else one that is found, else
MariaDB, which is installed. Ends with 1 when something cannot be installed, with 3 when that is
because the package index cannot serve it.
"""

import argparse
import sys

from tools.servers.errors import NotServedError, ProgramMissingError, ServerError
from tools.servers.installing import ensure_browser, ensure_database, ensure_redis
from tools.servers.programs import DATABASES, DatabaseKind, default_database

NOT_SERVED = 3


def main() -> int:
    """Install what the command line asks for and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.servers")
    parser.add_argument("verb", choices=["install"])
    parser.add_argument(
        "kinds", nargs="*", choices=[*DATABASES, "redis", "chromium"], metavar="KIND"
    )
    kinds = parser.parse_args().kinds
    database = next((kind for kind in DATABASES if kind in kinds), None) or _database_at_hand()
    try:
        ensure_database(database)
        if "redis" in kinds:
            ensure_redis()
        if "chromium" in kinds:
            ensure_browser()
    except NotServedError as error:
        print(error, file=sys.stderr)
        return NOT_SERVED
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    print(database)
    return 0


def _database_at_hand() -> DatabaseKind:
    try:
        return default_database()
    except ProgramMissingError:
        return "mariadb"


if __name__ == "__main__":
    sys.exit(main())
