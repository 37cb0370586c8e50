"""Addresses at which RunningHub tells that a run has ended.

Who sends there is not known, for it signs nothing: the address is told to RunningHub alone, and
nobody guesses it who does not have the key. What is told is not believed but asked for.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable

from schema.runtime.runninghub.keys import HubKey

PATH = "/runninghub/hooks"

_TOKEN = re.compile("([1-9][0-9]{0,18})-([0-9a-f]{32})")


def address(public_url: str | None, key: HubKey, task_id: int) -> str | None:
    """Return where the run of a task is to be told of; None where RunningHub cannot reach us."""
    if public_url is None:
        return None
    return f"{public_url}{PATH}/{task_id}-{_proof(key, str(task_id))}"


def task_of(token: str, keys: Iterable[HubKey]) -> int | None:
    """Return the task that the last part of such an address stands for; None: it is none."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    proofs = [_proof(key, found[1]) for key in keys]
    is_ours = any(hmac.compare_digest(proof, found[2]) for proof in proofs)
    return int(found[1]) if is_ours else None


def _proof(key: HubKey, task_id: str) -> str:
    told = f"rowlease webhook {task_id}"
    return hmac.new(key.key.encode(), told.encode(), hashlib.sha256).hexdigest()[:32]
