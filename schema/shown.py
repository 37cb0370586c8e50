"""A task as it is shown: in the API, and to the receivers of callbacks."""

from functools import cache
from typing import Any

import orjson

from schema.listing import TaskRow
from schema.states import allowed_actions, state_of

OPTIONS = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z

_state_of = cache(state_of)


@cache
def _actions(status: str, *, stopping: bool) -> tuple[str, ...]:
    return tuple(allowed_actions(status, stopping=stopping))


_HIDDEN = ("stop_requested_at", "progress_message")


def summary(task: TaskRow) -> dict[str, Any]:
    """Return a task as it is shown, with payload, result and checkpoint where it was read so."""
    shown = task.copy()
    for name in _HIDDEN:
        del shown[name]
    shown["state"] = _state_of(task["status"], task["stage"])
    shown["stopping"] = task["stop_requested_at"] is not None
    if task["progress"] is not None:
        shown["progress"] = _progress(task)
    shown["allowed_actions"] = actions_of(task)
    return shown


def actions_of(task: TaskRow) -> tuple[str, ...]:
    """Return the verbs that the state of a task allows."""
    return _actions(task["status"], stopping=task["stop_requested_at"] is not None)


def _progress(task: TaskRow) -> dict[str, Any]:
    return {"percent": float(task["progress"]), "message": task["progress_message"]}
