"""JSON that both servers store without changing what it means: payloads, results, checkpoints."""

import math
from typing import Any

import orjson

MAX_DEPTH = 30
"""MariaDB's JSON functions stop at 32 levels."""

MAX_KEY_LENGTH = 16_383
"""MySQL refuses keys of more than 65,535 bytes."""

PAYLOAD_BYTES = 256 * 1024
RESULT_BYTES = 1024 * 1024
CHECKPOINT_BYTES = 1024 * 1024


class DocumentError(ValueError):
    """The value cannot be stored as JSON; the message says why."""


def encode(value: Any, *, max_bytes: int) -> str:
    """Return `value` as JSON text of at most `max_bytes` bytes.

    Raises DocumentError for what is not JSON: objects of other types, NaN, infinity, integers
    beyond 64 bits (MySQL would round them), lone surrogates, more than 30 levels.
    """
    try:
        encoded = orjson.dumps(value)
    except TypeError as error:  # orjson's own error is a TypeError
        raise DocumentError(str(error)) from None
    if len(encoded) > max_bytes:
        raise DocumentError(f"it has {len(encoded)} bytes as JSON, at most {max_bytes} are allowed")
    if isinstance(value, dict | list | tuple | float):
        _check(value, MAX_DEPTH)
    return encoded.decode()


def storable(text: object) -> str:
    """Return text as both servers take it: lone surrogates, as in odd file names, become "?"."""
    return str(text).encode("utf-8", "replace").decode()


def decode(text: str | None) -> Any:
    """Return the value of JSON text read from the database; None for NULL."""
    return None if text is None else orjson.loads(text)


def _check(value: Any, levels: int) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise DocumentError("it holds NaN or an infinite number")
    if isinstance(value, dict | list | tuple):
        if levels == 0:
            raise DocumentError(f"it is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict) and any(len(key) > MAX_KEY_LENGTH for key in value):
            raise DocumentError(f"it has a key of more than {MAX_KEY_LENGTH} characters")
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, levels - 1)
