"""Private MySQL, MariaDB, PostgreSQL and Redis servers on loopback ports.

They are started from the programs of this machine.

    with database("mariadb", directory) as db:
        connect(db.url)  # mysql://root@127.0.0.1:PORT/rowlease

`python -m tools.servers install mysql redis` installs what is missing; nothing else here does.
"""

from tools.servers.cache import Redis, redis
from tools.servers.errors import NotServedError, ProgramMissingError, ServerError
from tools.servers.postgres import Postgres, postgres
from tools.servers.programs import DATABASES, DatabaseKind, default_database
from tools.servers.server import Server
from tools.servers.sql import Database, database

__all__ = [
    "DATABASES",
    "Database",
    "DatabaseKind",
    "NotServedError",
    "Postgres",
    "ProgramMissingError",
    "Redis",
    "Server",
    "ServerError",
    "database",
    "default_database",
    "postgres",
    "redis",
]
