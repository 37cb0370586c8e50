"""Whether the server is one that this system can stand on."""

import re
import threading
from functools import cache
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from schema.models.tasks import CLAIM_INDEX
from schema.runtime.errors import NOT_LET_IN, error_code, is_transient
from schema.runtime.logging import get_logger
from schema.statements import CLAIM

log = get_logger(__name__)

WAIT_SECONDS = 1.0

MINIMUM = {"MySQL": (8, 0, 1), "MariaDB": (10, 6, 0)}
"""The first releases whose InnoDB has SKIP LOCKED."""

_LOCK = "SELECT name FROM settings WHERE name = 'probe' FOR UPDATE"
_VARIABLES = "SHOW VARIABLES WHERE Variable_name IN ('version', 'log_bin', 'binlog_format')"


class WrongServerError(Exception):
    """The server cannot be used; the message says why in one sentence."""


class NotMigratedError(Exception):
    """The tables are missing or old; `alembic upgrade head` makes them."""

    def __init__(self) -> None:
        super().__init__("the database is not migrated: run `alembic upgrade head`")


def check(engine: Engine) -> str:
    """Return the server's product and version after checking all that the claim relies on.

    Raises WrongServerError or NotMigratedError; lets errors of the connection through.
    """
    with engine.connect() as first, engine.connect() as second:
        product = check_version(first)
        if not is_migrated(first):
            raise NotMigratedError
        check_claim_plan(first)
        check_skip_locked(first, second)
    return product


def wait_until_fit(engine: Engine, stop: threading.Event) -> None:
    """Wait for the server and its tables, with one line in the log, until `stop` is set.

    Raises WrongServerError: waiting would not help.
    """
    waiting_for = None
    while not stop.is_set():
        try:
            product = check(engine)
        except NotMigratedError as error:
            reason = str(error)
        except Exception as error:
            if error_code(error) in NOT_LET_IN:
                refusal = getattr(error, "orig", error)
                raise WrongServerError(f"DATABASE_URL: the server refuses: {refusal}") from None
            if not is_transient(error):
                raise
            reason = f"the server cannot be reached: {getattr(error, 'orig', error)}"
        else:
            log.info("server is fit", server=product)
            return
        if reason != waiting_for:
            log.warning("waiting for the database", reason=reason)
            waiting_for = reason
        stop.wait(WAIT_SECONDS)


def is_migrated(connection: Connection) -> bool:
    """Whether the tables are at least as new as this code.

    A revision that the code does not know is a newer one: during a rolling deploy the database
    is ahead.
    """
    current, head = revisions(connection)
    known = {script.revision for script in _scripts().walk_revisions()}
    return current is not None and (current == head or current not in known)


def revisions(connection: Connection) -> tuple[str | None, str | None]:
    """Return the migration that the tables are at, and the newest one of this code."""
    current = MigrationContext.configure(connection).get_current_revision()
    return current, _scripts().get_current_head()


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent / "migrations"))


def version_of(text: str) -> tuple[int, ...]:
    """Return the first three numbers of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def check_version(connection: Connection) -> str:
    """Return product and version; raises WrongServerError where SKIP LOCKED cannot be used."""
    variables = {row.Variable_name: row.Value for row in connection.exec_driver_sql(_VARIABLES)}
    product = "MariaDB" if "mariadb" in variables["version"].lower() else "MySQL"
    version = version_of(variables["version"])
    if version < MINIMUM[product]:
        needed = ".".join(str(part) for part in MINIMUM[product])
        raise WrongServerError(
            f"{product} {variables['version']} is too old: SKIP LOCKED needs {needed} or later"
        )
    if variables["log_bin"] == "ON" and variables.get("binlog_format") == "STATEMENT":
        raise WrongServerError(
            "binlog_format is STATEMENT: SKIP LOCKED needs ROW or MIXED, or replicas will differ"
        )
    return f"{product} {variables['version']}"


def check_claim_plan(connection: Connection) -> None:
    """Raise WrongServerError where a claim would not go by its index."""
    plan = connection.exec_driver_sql(
        f"EXPLAIN FORMAT=TRADITIONAL {CLAIM}", ("default", "中", "2000-01-01", 1)
    ).mappings()
    step = plan.one()
    if step["key"] != CLAIM_INDEX or "filesort" in (step["Extra"] or ""):
        raise WrongServerError(
            f"the server would not claim tasks by {CLAIM_INDEX} (key {step['key']},"
            f" {step['Extra']}): claims would lock rows that they do not take"
        )


def check_skip_locked(first: Connection, second: Connection) -> None:
    """Raise WrongServerError where the second of two connections is given what the first holds."""
    first.exec_driver_sql(_LOCK).all()
    if second.exec_driver_sql(f"{_LOCK} SKIP LOCKED").all():
        raise WrongServerError(
            "the server does not honour SKIP LOCKED: two workers would take the same task"
        )
