"""The handler "http": a task that is a request, for those whose work is a URL."""

import base64
import codecs
import re
from email.message import Message
from typing import Annotated, Any, Literal

import httpx2
import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schema import traces
from schema.destinations import URL_LENGTH, destination_of
from worker import outbound
from worker.context import Context
from worker.handlers import handler
from worker.outbound import Answer
from worker.signals import PermanentFailure, Retry, Snooze

BODY_BYTES = 256 * 1024
SHOWN_LENGTH = 300
SHORTEST_WAIT_SECONDS = 1.0
"""Before a server is asked again that says "at once"."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
_OURS = re.compile(
    "connection|content-length|expect|host|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade"
)
_SECRET = re.compile("auth|cookie|credential|key|passw|secret|signature|token")
_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_CHARSETS = frozenset(
    codecs.lookup(name).name
    for name in (
        *("ascii", "utf-8", "utf-16", "latin-1", "iso-8859-2", "iso-8859-15", "cp1251", "cp1252"),
        *("gbk", "gb2312", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr", "koi8-r"),
    )
)
"""What servers say that a text is written in. Python's other codecs do other things, too."""

PASSING = frozenset({408, 425, 429})
"""Refusals of the 400s that may be none a little later."""


class UnexpectedAnswer(Retry):
    """The answer is not the one that was expected; the next one may be."""


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _headers(value: dict[str, str]) -> dict[str, str]:
    # Values stay out of what is said: some are secret.
    for name, text in value.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError("a name of a header has ASCII letters, digits and - only")
        if _OURS.fullmatch(name.lower()):
            raise ValueError(f"{name} is set by the worker")
        if not _VALUE.fullmatch(text):
            raise ValueError(f"the value of {name} must be visible ASCII characters")
    return value


def _url(value: str) -> str:
    destination_of(value)
    return value


Status = Annotated[int, Field(ge=100, le=599)]


class HttpRequest(BaseModel):
    """Payload of "http". `expect`: the statuses that are success, without it 200 to 299.

    `timeout`: seconds for the whole answer, without it until the lease is over.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    method: Annotated[
        Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"], BeforeValidator(_upper)
    ] = "GET"
    url: Annotated[str, Field(max_length=URL_LENGTH), AfterValidator(_url)]
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = {}
    body: str | None = None
    document: Any = Field(None, alias="json")
    expect: Annotated[list[Status], Field(min_length=1)] | Status | None = None
    timeout: Annotated[float, Field(gt=0, le=604_800)] | None = None

    @model_validator(mode="after")
    def _one_body(self) -> "HttpRequest":
        if self.body is not None and self.is_json:
            raise ValueError("send either body or json")
        return self

    @property
    def is_json(self) -> bool:
        """Whether there is a document to send, null included."""
        return "document" in self.model_fields_set

    def content(self) -> bytes | None:
        """Return the body as it is sent."""
        if self.is_json:
            return orjson.dumps(self.document)
        return None if self.body is None else self.body.encode()

    def expects(self, status: int) -> bool:
        """Whether a status is success."""
        match self.expect:
            case None:
                return 200 <= status < 300
            case int():
                return status == self.expect
            case several:
                return status in several


@handler("http")
async def send(context: Context, payload: HttpRequest) -> dict[str, Any]:
    """Send the request of the payload and return the answer."""
    client = await outbound.client()
    try:
        request = client.build_request(
            payload.method, payload.url, headers=_sent(context, payload), content=payload.content()
        )
    except httpx2.InvalidURL as error:
        raise PermanentFailure(f"the URL cannot be used: {error}") from None
    answer = await outbound.fetch(request, seconds=payload.timeout, max_bytes=BODY_BYTES)
    if not payload.expects(answer.status):
        raise _failure(request.url.host, payload, answer)
    return shown(answer)


def _sent(context: Context, payload: HttpRequest) -> dict[str, str]:
    """Return the headers: those of the payload go before ours."""
    ours = {
        "idempotency-key": context.idempotency_key,
        "traceparent": traces.child_of(context.traceparent),
    }
    if payload.is_json:
        ours["content-type"] = "application/json"
    return ours | {name.lower(): value for name, value in payload.headers.items()}


def _failure(host: str, payload: HttpRequest, answer: Answer) -> Exception:
    """Return what an answer that was not expected means for the task."""
    wait = answer.retry_after
    if wait is not None and answer.status in {429, 503}:
        return Snooze(max(wait, SHORTEST_WAIT_SECONDS))
    said = f"{host} answered {answer.status} {answer.reason}".rstrip()
    told = _told(answer, payload)
    if answer.status >= 500 or answer.status in PASSING:
        return UnexpectedAnswer(f"{said}{told}")
    if 300 <= answer.status < 400:
        return PermanentFailure(f"{said}: redirects are not followed")
    return PermanentFailure(f"{said}{told}")


def shown(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON: the body as text, or where it is none in base64."""
    text = text_of(answer)
    body = base64.b64encode(answer.body).decode() if text is None else text
    return {
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": body,
        "body_encoding": "base64" if text is None else "text",
        "truncated": answer.truncated,
    }


def text_of(answer: Answer) -> str | None:
    """Return the body as text; None where it is none. A character cut in two is left out."""
    if answer.headers.get("content-encoding", "identity") != "identity":
        return None
    charset = _charset(answer.headers.get("content-type", ""))
    for left_out in range(4 if answer.truncated else 1):
        try:
            text = answer.body[: len(answer.body) - left_out].decode(charset)
        except UnicodeError:
            continue
        return None if _UNREADABLE.search(text) else text
    return None


def _charset(content_type: str) -> str:
    head = Message()
    head["content-type"] = content_type
    try:
        name = codecs.lookup(head.get_content_charset("utf-8")).name
    except LookupError:
        return "utf-8"
    return name if name in _CHARSETS else "utf-8"


def _told(answer: Answer, payload: HttpRequest) -> str:
    text = " ".join(_redacted(text_of(answer) or "", payload).split())[:SHOWN_LENGTH]
    return f": {text}" if text else ""


def _redacted(text: str, payload: HttpRequest) -> str:
    """Take secrets of the request out of what a server said: some repeat all that they got."""
    secret = [value for name, value in payload.headers.items() if _SECRET.search(name.lower())]
    for value in sorted(
        {part for each in secret for part in (each, *each.split())} - {""}, key=len
    )[::-1]:
        text = text.replace(value, "***")
    return text
