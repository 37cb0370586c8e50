"""What RunningHub says, without what opens doors: keys, signed addresses, sockets."""

import re
from typing import Any

LENGTH = 1_000
"""Characters of a remote message that are kept."""

HIDDEN = "[hidden]"

_ADDRESS = re.compile(
    r"\b(?P<scheme>https?|wss?)://(?P<host>[^/\s\"'<>?#]*)[^\s\"'<>]*", re.IGNORECASE
)
_SIGNED = re.compile(
    r"(?i)\b(rh-comfy-auth|[a-z-]*signature|[a-z-]*sign|token|api-?key)=[^\s&\"'<>]+"
)


def redacted(text: Any, key: str) -> str:
    """Return a remote text cut to LENGTH, with its addresses cut to their hosts, without `key`."""
    told = str(text).replace(key, HIDDEN) if key else str(text)
    told = _ADDRESS.sub(_host_only, told)
    return _SIGNED.sub(lambda found: f"{found[1]}={HIDDEN}", told)[:LENGTH]


def _host_only(found: re.Match[str]) -> str:
    return f"{found['scheme']}://{found['host'].rpartition('@')[2]}/{HIDDEN}"
