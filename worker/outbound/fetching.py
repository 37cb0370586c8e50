"""Fetching what fits into memory: an answer up to so many bytes, within so many seconds."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from worker.outbound.client import client
from worker.signals import Retry

DAY_SECONDS = 86_400


class NoAnswer(Retry):
    """There was no answer, or not all of it. Uncaught, it fails the attempt."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` is as it was sent, and ends where it was `truncated`."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    truncated: bool

    @property
    def retry_after(self) -> float | None:
        """After how many seconds it asks to be asked again, up to a day; None: it does not say."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(min(int(text[:9]), DAY_SECONDS))
        try:
            seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
        return min(max(seconds, 0.0), DAY_SECONDS)


async def fetch(request: httpx2.Request, *, seconds: float | None, max_bytes: int) -> Answer:
    """Send a request and return up to `max_bytes` of the answer.

    Raises Refused, and NoAnswer when it is not there after `seconds` in all (None: no limit).
    """
    try:
        async with asyncio.timeout(seconds):
            response = await (await client()).send(request, stream=True)
            try:
                body, truncated = await _read(response, max_bytes)
            finally:
                await response.aclose()
    except TimeoutError:
        raise NoAnswer(f"{request.url.host} did not answer within {seconds:g} s") from None
    except httpx2.HTTPError as error:
        why = str(error) or type(error).__name__
        raise NoAnswer(f"{request.url.host} did not answer: {why}") from None
    headers = dict(response.headers)
    return Answer(response.status_code, response.reason_phrase, headers, body, truncated)


async def _read(response: httpx2.Response, max_bytes: int) -> tuple[bytes, bool]:
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > max_bytes:
            return bytes(body[:max_bytes]), True
    return bytes(body), False
