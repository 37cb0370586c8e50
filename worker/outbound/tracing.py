"""The trace that a task belongs to, handed on to whom it calls."""

import re
import secrets

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")


def traceparent(given: str | None) -> str:
    """Return the trace that a task came with, or a new one, with this request as its parent."""
    found = _TRACEPARENT.fullmatch(given or "")
    trace_id, flags = found.groups() if found else (secrets.token_hex(16), "00")
    return f"00-{trace_id}-{secrets.token_hex(8)}-{flags}"
