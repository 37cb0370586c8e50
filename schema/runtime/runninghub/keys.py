"""RUNNINGHUB_KEYS: which accounts there are, and which queue each serves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schema.workflows import QUEUE

BASE_URL = "https://www.runninghub.cn"
"""The mainland site. Keys, files and workflows of the international one are others."""

MOST_AT_ONCE = 1_000

_ENTRY = re.compile(
    r"(?P<alias>[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})=(?P<key>[A-Za-z0-9_-]+)"
    r"(?:@(?P<base_url>https?://[A-Za-z0-9.\-\[\]:]+)/?)?(?:#(?P<limit>[1-9][0-9]{0,3}))?"
)


class HubKeysError(ValueError):
    """RUNNINGHUB_KEYS cannot be used; the message says why, without the keys."""


@dataclass(frozen=True, slots=True)
class HubKey:
    """An account. `limit`: how many runs it may have at once; None: MAX_CONCURRENT_TASKS."""

    alias: str
    key: str = field(repr=False)
    base_url: str = BASE_URL
    limit: int | None = None


def parse(text: str) -> tuple[HubKey, ...]:
    """Return the keys of "alias=key[@base_url][#limit],...", in their order.

    Raises HubKeysError; a key is never part of its message.
    """
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    keys = tuple(_key(entry, position) for position, entry in enumerate(entries, start=1))
    aliases = [key.alias for key in keys]
    twice = sorted({alias for alias in aliases if aliases.count(alias) > 1})
    if twice:
        raise HubKeysError(f"the alias {twice[0]} is there twice")
    return keys


def by_queue(keys: Sequence[HubKey]) -> Mapping[str, HubKey]:
    """Return the key of each queue: the first serves the plain one, each one of its own name."""
    named = {f"{QUEUE}:{key.alias}": key for key in keys}
    return {QUEUE: keys[0], **named} if keys else {}


def _key(entry: str, position: int) -> HubKey:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise HubKeysError(f"entry {position} is not alias=key[@base_url][#limit]")
    limit = int(found["limit"]) if found["limit"] else None
    if limit is not None and limit > MOST_AT_ONCE:
        raise HubKeysError(f"entry {position} has a limit above {MOST_AT_ONCE}")
    return HubKey(found["alias"], found["key"], found["base_url"] or BASE_URL, limit)
