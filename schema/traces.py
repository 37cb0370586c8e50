"""Traces: `tasks.traceparent` says to which a task belongs, in the words of W3C Trace Context."""

import re
import secrets

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NONE = re.compile("0+")


def taken(given: str | None) -> str | None:
    """Return a traceparent that somebody sent, if it is one."""
    found = _TRACEPARENT.fullmatch(given or "")
    if found is None or _NONE.fullmatch(found[1]) or _NONE.fullmatch(found[2]):
        return None
    return given


def child_of(given: str | None) -> str:
    """Return the traceparent of a request in the trace that is given, or in a new one."""
    found = _TRACEPARENT.fullmatch(taken(given) or "")
    trace_id, flags = found.group(1, 3) if found else (secrets.token_hex(16), "00")
    return f"00-{trace_id}-{secrets.token_hex(8)}-{flags}"
