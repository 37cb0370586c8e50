"""Requests that may be sent again: by their Idempotency-Key the first answer is given again.

What a route returns from its transaction is stored in it when it is a Response. Refusals are not
stored: nothing was done, and the same request may succeed later.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any, NoReturn

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.conditional import Handle
from api.database import Database
from api.problems import Problem
from schema import idempotency
from schema.idempotency import (
    ANSWER_BYTES,
    Answer,
    AnswerTooLargeError,
    KeyedRequest,
    KeyInUseError,
    KeyReusedError,
)
from schema.limits import KEY_LENGTH

IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "With the same key and body, the request is done once: for 24 hours its first"
    " answer is given again, with `Idempotency-Replayed: true`",
    "schema": {"type": "string", "maxLength": KEY_LENGTH, "pattern": "^[!-~]+$"},
}

_KEY = re.compile(f"[!-~]{{1,{KEY_LENGTH}}}")


class _Replayed(Exception):  # noqa: N818  # no error: it ends the handler early
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def repeatable(handle: Handle) -> Handle:
    """Return what answers as `handle` does, and the same again to the same request."""

    async def handle_repeatable(request: Request) -> Response:
        key = _key(request)
        if key is None:
            return await handle(request)
        keyed = KeyedRequest(key, request.scope["principal"].id, await _fingerprint(request))
        database: Database = request.app.state.database
        request.scope["database"] = database.around(_once(keyed))
        try:
            return await handle(request)
        except _Replayed as replayed:
            return _response(replayed.answer)

    return handle_repeatable


def _key(request: Request) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise Problem(400, "idempotency_key_invalid", values={"length": KEY_LENGTH})
    return keys[0]


async def _fingerprint(request: Request) -> str:
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    asked = [request.method.encode(), path.partition(b"?")[0], await request.body()]
    return hashlib.sha256(b"\n".join(asked)).hexdigest()


def _once(request: KeyedRequest) -> Callable[[Connection, Callable[[Connection], Any]], Any]:
    def do(connection: Connection, work: Callable[[Connection], Any]) -> Any:
        try:
            answer = idempotency.begin(connection, request)
            if answer is not None:
                raise _Replayed(answer)
            result = work(connection)
            if isinstance(result, Response):
                idempotency.finish(connection, request, _answer(result))
            else:
                idempotency.forget(connection, request)
        except (KeyInUseError, KeyReusedError, AnswerTooLargeError) as error:
            _refuse(error)
        return result

    return do


def _refuse(error: Exception) -> NoReturn:
    match error:
        case KeyInUseError():
            raise Problem(409, "idempotency_key_in_use", headers={"retry-after": "1"}) from None
        case KeyReusedError():
            raise Problem(422, "idempotency_key_reused") from None
        case _:
            values = {"limit": ANSWER_BYTES}
            raise Problem(413, "idempotent_answer_too_large", values=values) from None


def _answer(response: Response) -> Answer:
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return Answer(response.status_code, headers, bytes(response.body).decode())


def _response(answer: Answer) -> Response:
    headers = {**answer.headers, "idempotency-replayed": "true"}
    return Response(answer.body, answer.status_code, headers)
