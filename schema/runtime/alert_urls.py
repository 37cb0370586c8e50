"""ALERT_URLS: where alerts go, and in whose format.

As `https://hooks.example.org/x, feishu+https://proxy.example.org/x#secret=...`. The addresses
are secrets: who has one may post.
"""

from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit


class AlertFormat(StrEnum):
    """Whose webhook takes the message."""

    GENERIC = "generic"
    FEISHU = "feishu"
    DINGTALK = "dingtalk"
    WECOM = "wecom"


_BY_HOST = {
    "open.feishu.cn": AlertFormat.FEISHU,
    "open.larksuite.com": AlertFormat.FEISHU,
    "oapi.dingtalk.com": AlertFormat.DINGTALK,
    "qyapi.weixin.qq.com": AlertFormat.WECOM,
}
_SIGNED = {AlertFormat.FEISHU, AlertFormat.DINGTALK}


class AlertTarget(NamedTuple):
    """A webhook; `secret` signs what is sent, None: nothing is signed."""

    format: AlertFormat
    url: str
    secret: str | None = None

    def __repr__(self) -> str:
        """Return what may be logged: never path, query or secret."""
        return str(self)

    def __str__(self) -> str:
        """Return what may be logged: never path, query or secret."""
        return f"{self.format} {urlsplit(self.url).hostname}"


def parse(text: str) -> tuple[AlertTarget, ...]:
    """Return the targets; raises ValueError with a sentence that tells none of the addresses."""
    return tuple(_target(part.strip()) for part in text.split(",") if part.strip())


def _target(address: str) -> AlertTarget:
    parts = urlsplit(address)
    named, _, scheme = parts.scheme.rpartition("+")
    if scheme not in {"http", "https"} or not parts.hostname or (parts.port or 1) < 0:
        raise ValueError("each one is an address such as https://host/path, separated by commas")
    if named and named not in set(AlertFormat):
        raise ValueError(f"before + stands one of {', '.join(AlertFormat)}")
    format_ = AlertFormat(named or _BY_HOST.get(parts.hostname, AlertFormat.GENERIC))
    word, _, secret = parts.fragment.partition("=")
    if parts.fragment and (word != "secret" or not secret or format_ not in _SIGNED):
        raise ValueError("behind # stands secret=..., for Feishu and DingTalk")
    url = urlunsplit(parts._replace(scheme=scheme, fragment=""))
    return AlertTarget(format_, url, secret or None)
