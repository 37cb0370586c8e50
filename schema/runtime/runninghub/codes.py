"""RunningHub's codes, read by their number: their names mislead.

Seven codes that begin with APIKEY_ have nothing to do with keys, and 412 TOKEN_INVALID means a
misspelt address. What a code means to us is its class; its advice is for the person who reads
why a task failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Meaning(StrEnum):
    """What follows from a code."""

    CAPACITY = "capacity"  # nothing was begun; later it may be
    KEY = "key"  # the key may do nothing: every task would meet the same
    BALANCE = "balance"  # likewise, until somebody pays
    PERMANENT = "permanent"  # the same request would be refused again
    PASSING = "passing"  # an error of theirs, after which nobody knows
    NOT_FOUND = "not_found"
    QUEUED = "queued"
    RUNNING = "running"
    RUN_FAILED = "run_failed"


@dataclass(frozen=True, slots=True)
class Code:
    """A code. `seconds`: how long to wait at first where it is one of capacity."""

    name: str
    meaning: Meaning
    advice: str = ""
    seconds: float = 0


_SAVE = "Open the workflow on the site, save it and run it once by hand."
_NODES = "Compare node_info_list with the nodes of the workflow."
_PAY = "Top up the account, then resume the queue."
_ADDRESS = "Look at the base URL in RUNNINGHUB_KEYS."
_KEY = "Look at the key in RUNNINGHUB_KEYS and its membership, then resume the queue."
_FILE = "Use a smaller file: RunningHub takes up to 30 MB."

CODES: Mapping[int, Code] = {
    301: Code("PARAMS_INVALID", Meaning.PERMANENT),
    380: Code("WORKFLOW_NOT_EXISTS", Meaning.PERMANENT, "Look at workflow_id and the account."),
    401: Code("UNAUTHORIZED", Meaning.KEY, _KEY),
    403: Code("FORBIDDEN", Meaning.KEY, _KEY),
    404: Code("NOT_FOUND", Meaning.PERMANENT, _ADDRESS),
    412: Code("TOKEN_INVALID", Meaning.PERMANENT, _ADDRESS),
    415: Code("TASK_INSTANCE_MAXED", Meaning.CAPACITY, seconds=30),
    416: Code("TASK_CREATE_FAILED_BY_NOT_ENOUGH_WALLET", Meaning.BALANCE, _PAY),
    421: Code("TASK_QUEUE_MAXED", Meaning.CAPACITY, seconds=15),
    423: Code("TASK_NOT_FOUNED", Meaning.NOT_FOUND),
    429: Code("TOO_MANY_REQUESTS", Meaning.CAPACITY, seconds=10),
    433: Code("VALIDATE_PROMPT_FAILED", Meaning.PERMANENT, _NODES),
    435: Code(
        "TASK_USER_EXCLAPI_INSTANCE_NOT_FOUND", Meaning.PERMANENT, 'Set instance_type to "plus".'
    ),
    436: Code("TASK_USER_EXCLAPI_REQUIRED", Meaning.BALANCE, _PAY),
    500: Code("UNKNOWN_ERROR", Meaning.PASSING),
    801: Code("APIKEY_UNSUPPORTED_FREE_USER", Meaning.KEY, "Free accounts cannot use the API."),
    802: Code("APIKEY_UNAUTHORIZED", Meaning.KEY, _KEY),
    803: Code("APIKEY_INVALID_NODE_INFO", Meaning.PERMANENT, _NODES),
    804: Code("APIKEY_TASK_IS_RUNNING", Meaning.RUNNING, seconds=15),
    805: Code("APIKEY_TASK_STATUS_ERROR", Meaning.RUN_FAILED, seconds=15),
    806: Code("APIKEY_USER_NOT_FOUND", Meaning.KEY, _KEY),
    807: Code("APIKEY_TASK_NOT_FOUND", Meaning.NOT_FOUND),
    808: Code("APIKEY_UPLOAD_FAILED", Meaning.PASSING),
    809: Code("APIKEY_FILE_SIZE_EXCEEDED", Meaning.PERMANENT, _FILE),
    810: Code("WORKFLOW_NOT_SAVED_OR_NOT_RUNNING", Meaning.PERMANENT, _SAVE),
    811: Code("CORPAPIKEY_INVALID", Meaning.KEY, _KEY),
    812: Code("CORPAPIKEY_INSUFFICIENT_FUNDS", Meaning.BALANCE, _PAY),
    813: Code("APIKEY_TASK_IS_QUEUED", Meaning.QUEUED),
    814: Code("PERSONAL_QUEUE_COUNT_LIMIT", Meaning.CAPACITY, seconds=30),
    901: Code("WEBAPP_NOT_EXISTS", Meaning.PERMANENT),
    1000: Code("Unknown error", Meaning.PASSING),
    1001: Code("Invalid URL", Meaning.PERMANENT, _ADDRESS),
    1002: Code("Invalid API key", Meaning.KEY, _KEY),
    1003: Code("Rate limit exceeded", Meaning.CAPACITY, seconds=10),
    1004: Code("Task not found or expired", Meaning.NOT_FOUND),
    1005: Code("Internal server error", Meaning.PASSING),
    1006: Code("Task execution timed out", Meaning.RUN_FAILED),
    1007: Code("Invalid parameters", Meaning.PERMANENT),
    1008: Code("File size limit exceeded", Meaning.PERMANENT, _FILE),
    1009: Code("HTTP method not supported", Meaning.PERMANENT, _ADDRESS),
    1010: Code("Service unavailable", Meaning.CAPACITY, seconds=20),
    1011: Code("System busy", Meaning.CAPACITY, seconds=20),
    1012: Code("Service response exception", Meaning.PASSING),
    1013: Code("File processing failed", Meaning.PERMANENT, "Look at the files of the task."),
    1014: Code("Only for enterprise keys", Meaning.KEY, _KEY),
    1015: Code("Generation failed", Meaning.RUN_FAILED),
    1101: Code("Node info error", Meaning.PERMANENT, _NODES),
    1501: Code("Content verification failed", Meaning.PERMANENT, "Change what is asked for."),
    1504: Code("Model timed out", Meaning.RUN_FAILED),
    1505: Code("Realistic people prohibited", Meaning.PERMANENT, "Change what is asked for."),
    1520: Code("TASK_USER_CONCURRENT_LIMIT", Meaning.CAPACITY, seconds=15),
}

UNKNOWN = Code("unknown code", Meaning.PASSING)
"""A code that nobody has written about: nothing is concluded from it."""


def code_of(number: int) -> Code:
    """Return what is known of a code."""
    return CODES.get(number, UNKNOWN)
