"""Transactions: opened here, done again where that is safe, never guessed about."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from schema.runtime.changes import telling
from schema.runtime.errors import error_code, is_connection_lost, is_transient
from schema.runtime.metrics import DATABASE_ERRORS

T = TypeVar("T")

ATTEMPTS = 5


class CommitUnknownError(Exception):
    """The connection was lost while COMMIT was under way: it may have been taken, or not."""


def is_refused(error: Exception) -> bool:
    """Whether a transaction would fail again: the error does not pass, and its end is known."""
    return not isinstance(error, CommitUnknownError) and not is_transient(error)


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Open a transaction and commit it at the end of the block.

    Raises CommitUnknownError when the answer to COMMIT was lost; whoever opened it must read
    back what became of it.
    """
    with engine.connect() as connection:
        yield connection
        commit(connection)


def commit(connection: Connection) -> None:
    """Commit, and tell what was changed; raises CommitUnknownError when the answer was lost."""
    tell = telling(connection)
    try:
        connection.commit()
    except (DBAPIError, OSError) as error:
        if is_connection_lost(error):
            tell()
            raise CommitUnknownError from error
        raise
    tell()


def _count_error(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    DATABASE_ERRORS.labels(str(error_code(error))).inc()


def run(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Do `work` in a transaction; do it again, up to 5 times, when an error is a passing one.

    A transaction whose COMMIT was not answered is not repeated (CommitUnknownError).
    """
    for attempt in Retrying(
        retry=retry_if_exception(is_transient),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.02, max=1),
        before_sleep=_count_error,
        reraise=True,
    ):
        with attempt, transaction(engine) as connection:
            return work(connection)
    raise AssertionError("tenacity re-raises the last error")
