"""First answers to requests that clients may send again, stored with what the requests did.

The row of a key is inserted by the transaction of its request and gets the answer before the
COMMIT: a second request waits for the row, and then finds an answer, or none and goes ahead.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, select, tuple_, update
from sqlalchemy.exc import DBAPIError

from schema.models.requests import IdempotencyKey
from schema.runtime.errors import LOCK_WAIT, error_code
from schema.statements import BEGIN_ANSWER, OLD_ANSWERS

ANSWER_BYTES = 4 * 1024 * 1024
"""The largest answer that is kept."""

_KEYS = IdempotencyKey.__table__


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with a key: who sent it, and the SHA-256 (hexadecimal) of what was asked."""

    key: str
    principal: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    status_code: int
    headers: Mapping[str, str]
    body: str


class KeyInUseError(Exception):
    """The first request with the key has not ended."""


class KeyReusedError(Exception):
    """The key came with another request before."""


class AnswerTooLargeError(Exception):
    """The answer has more than ANSWER_BYTES."""


def begin(connection: Connection, request: KeyedRequest) -> Answer | None:
    """Return the answer that the request had the first time, None when this is the first time.

    Waits for a first request that is under way, as long as the session waits for locks. Raises
    KeyInUseError when that has not ended then, KeyReusedError when it was another request.
    """
    parameters = (request.key, request.principal, request.fingerprint, request.fingerprint)
    try:
        connection.exec_driver_sql(BEGIN_ANSWER, parameters)
    except DBAPIError as error:
        if error_code(error) == LOCK_WAIT:
            raise KeyInUseError from None
        raise
    found = connection.execute(select(_KEYS).where(_is(request))).one()
    if found.status_code is None:
        return None
    if found.fingerprint != request.fingerprint:
        raise KeyReusedError
    return Answer(found.status_code, found.headers, found.body)


def finish(connection: Connection, request: KeyedRequest, answer: Answer) -> None:
    """Store the answer to a request that was begun in this transaction."""
    if len(answer.body.encode()) > ANSWER_BYTES:
        raise AnswerTooLargeError
    given = {
        "status_code": answer.status_code,
        "headers": dict(answer.headers),
        "body": answer.body,
    }
    connection.execute(update(IdempotencyKey).where(_is(request)).values(given))


def forget(connection: Connection, request: KeyedRequest) -> None:
    """Let it be as if a request had come without its key."""
    connection.execute(delete(IdempotencyKey).where(_is(request)))


def prune(connection: Connection, limit: int) -> int:
    """Take up to `limit` answers whose time is over, the oldest first; return how many."""
    keys = [tuple(row) for row in connection.exec_driver_sql(OLD_ANSWERS, (limit,))]
    if keys:
        which = tuple_(IdempotencyKey.key, IdempotencyKey.principal).in_(keys)
        connection.execute(delete(IdempotencyKey).where(which))
    return len(keys)


def _is(request: KeyedRequest) -> ColumnElement[bool]:
    return and_(IdempotencyKey.key == request.key, IdempotencyKey.principal == request.principal)
