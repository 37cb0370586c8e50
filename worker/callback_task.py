"""The handler "callback": announces the end of a task by a signed POST.

Headers and signature are those of Standard Webhooks (https://www.standardwebhooks.com).
"""

import base64
import hashlib
import hmac
import random
import time
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel

from schema import traces
from schema.limits import CALLBACK_RETRY_SECONDS
from schema.reserved import CALLBACK_TYPE
from schema.runtime.settings import settings
from worker import outbound
from worker.context import Context
from worker.handlers import handler
from worker.signals import PermanentFailure, Retry

ANSWER_SECONDS = 20.0
ANSWER_BYTES = 64 * 1024
JITTER = 0.1

GONE = 410
"""The receiver wants no more of it."""


class Undelivered(Retry):
    """The receiver did not take it; it is sent again later."""


class Callback(BaseModel):
    """Payload of "callback", as `schema.callbacks` makes it."""

    url: str
    id: str
    event: dict[str, Any]


@handler(CALLBACK_TYPE)
async def deliver(context: Context, payload: Callback) -> dict[str, int]:
    """Send the event, and return the status of the answer."""
    keys = settings().callback_keys
    if not keys:
        raise _undelivered(context, "CALLBACK_SECRET is not set on the worker that took it")
    body = orjson.dumps(payload.event)
    moment = int(time.time())
    headers = {
        "content-type": "application/json",
        "webhook-id": payload.id,
        "webhook-timestamp": str(moment),
        "webhook-signature": signature(keys, payload.id, moment, body),
        "traceparent": traces.child_of(context.traceparent),
    }
    client = await outbound.client()
    request = client.build_request("POST", payload.url, content=body, headers=headers)
    try:
        answer = await outbound.fetch(request, seconds=ANSWER_SECONDS, max_bytes=ANSWER_BYTES)
    except outbound.NoAnswer as error:
        raise _undelivered(context, str(error)) from None
    if 200 <= answer.status < 300:
        return {"status": answer.status}
    said = f"{request.url.host} answered {answer.status} {answer.reason}".rstrip()
    if answer.status == GONE:
        raise PermanentFailure(said)
    raise _undelivered(context, said, at_least=answer.retry_after or 0)


def signature(keys: Sequence[bytes], message_id: str, moment: int, body: bytes) -> str:
    """Return a signature by each key, over the id, the time in seconds and the body."""
    signed = f"{message_id}.{moment}.".encode() + body
    digests = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def _undelivered(context: Context, why: str, *, at_least: float = 0) -> Undelivered:
    wait = CALLBACK_RETRY_SECONDS[min(context.attempt, len(CALLBACK_RETRY_SECONDS)) - 1]
    jittered = wait * random.uniform(1, 1 + JITTER)  # noqa: S311  # no secret
    return Undelivered(why, max(jittered, at_least))
