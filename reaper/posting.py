"""Posting alerts to webhooks, each in its vendor's format.

The addresses are the operator's own, so private ones are fine. But they are secrets: neither they
nor an error's text, which may hold them, are logged.
"""

import base64
import hashlib
import hmac
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import httpx2
import orjson

from schema.runtime.alert_urls import AlertFormat, AlertTarget
from schema.runtime.logging import get_logger
from schema.version import VERSION

log = get_logger(__name__)

SECONDS = 10.0
MOST_ANSWER = 64 * 1024
MOST_KEPT = 20
"""Messages that wait for a webhook that is away; the oldest goes."""

MOST_BYTES = 2_000
"""Of a text: WeCom takes 2,048."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is told: a text for people, and the same as values."""

    text: str
    values: Mapping[str, Any]


class RefusedError(Exception):
    """The webhook did not take a message; the text may be logged."""


class Post:
    """One webhook, and what waits for it."""

    def __init__(self, target: AlertTarget) -> None:
        self._target = target
        self._waiting: deque[Message] = deque(maxlen=MOST_KEPT)
        self._is_away = False

    def put(self, message: Message) -> None:
        """Let a message wait for the next `send`."""
        self._waiting.append(message)

    def send(self) -> None:
        """Send what waits, in its order; what is not taken waits for the next time."""
        while self._waiting:
            try:
                _send(self._target, self._waiting[0])
            except (RefusedError, httpx2.HTTPError, httpx2.InvalidURL) as error:
                self._tell(error)
                return
            self._waiting.popleft()
            self._is_away = False
            log.info("alert sent", to=str(self._target))

    def _tell(self, error: Exception) -> None:
        if not self._is_away:
            why = str(error) if isinstance(error, RefusedError) else type(error).__name__
            log.warning("an alert was not taken; it is sent again", to=str(self._target), why=why)
        self._is_away = True


def cut(text: str) -> str:
    """Return a text that every vendor takes."""
    kept = text.encode("utf-8", "replace")
    if len(kept) <= MOST_BYTES:
        return kept.decode()
    return kept[:MOST_BYTES].decode(errors="ignore") + " …"


def request_of(target: AlertTarget, message: Message, now: float) -> tuple[str, dict[str, Any]]:
    """Return where to post a message at a moment (seconds since 1970), and the JSON."""
    match target.format:
        case AlertFormat.FEISHU:
            body = {"msg_type": "text", "content": {"text": message.text}}
            if target.secret is not None:
                moment = str(int(now))
                sign = _signed(f"{moment}\n{target.secret}", "")
                body |= {"timestamp": moment, "sign": sign}
            return target.url, body
        case AlertFormat.DINGTALK:
            url = target.url
            if target.secret is not None:
                moment = str(int(now * 1_000))
                sign = quote_plus(_signed(target.secret, f"{moment}\n{target.secret}"))
                url += f"{'&' if '?' in url else '?'}timestamp={moment}&sign={sign}"
            return url, {"msgtype": "text", "text": {"content": message.text}}
        case AlertFormat.WECOM:
            return target.url, {"msgtype": "text", "text": {"content": message.text}}
        case AlertFormat.GENERIC:
            return target.url, {"text": message.text, **message.values}


def _signed(key: str, text: str) -> str:
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), hashlib.sha256)).decode()


def _send(target: AlertTarget, message: Message) -> None:
    url, body = request_of(target, message, time.time())
    headers = {"content-type": "application/json", "user-agent": f"rowlease/{VERSION}"}
    with (
        httpx2.Client(trust_env=False, timeout=SECONDS) as client,
        client.stream("POST", url, content=orjson.dumps(body), headers=headers) as response,
    ):
        answer = _read(response)
    if not response.is_success:
        raise RefusedError(f"status {response.status_code}")
    if target.format is not AlertFormat.GENERIC:
        _require_taken(answer)


def _read(response: httpx2.Response) -> bytes:
    answer, end = b"", time.monotonic() + SECONDS
    for chunk in response.iter_bytes():
        answer += chunk
        if len(answer) > MOST_ANSWER or time.monotonic() > end:
            raise RefusedError("its answer is too long")
    return answer


def _require_taken(answer: bytes) -> None:
    """Raise what these vendors say in an answer of status 200."""
    try:
        said = orjson.loads(answer)
        code = next(said[name] for name in ("errcode", "code", "StatusCode") if name in said)
    except (ValueError, TypeError, StopIteration):
        raise RefusedError("an answer that is none of its vendor's") from None
    if code != 0:
        words = said.get("errmsg") or said.get("msg") or said.get("StatusMessage")
        raise RefusedError(f"{code}: {str(words)[:200]}")
