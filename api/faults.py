"""What is wrong with one field of a request, found by pydantic, said by the catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from api.task_json import TaskDetail
from schema.task_fields import TaskCreation

SAME_AS: Mapping[str, str] = {
    "dict_type": "object_type",
    "model_type": "object_type",
    "model_attributes_type": "object_type",
    "int_parsing": "int_type",
    "int_parsing_size": "int_type",
    "int_from_float": "int_type",
    "bool_parsing": "bool_type",
    "enum": "not_one_of",
    "literal_error": "not_one_of",
}
"""Errors of pydantic that need no sentence of their own."""

PAUSE = frozenset({"is_paused", "paused_reason", "paused_by", "paused_at", "resume_at"})
"""Fields of a queue that its verbs change."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a fault is, as a JSON pointer, and the code and values of its sentence."""

    pointer: str
    code: str
    values: Mapping[str, Any] = field(default_factory=dict)


def of_task(error: ValidationError) -> list[Fault]:
    """Return what is wrong with a task in a body."""
    details = error.errors(include_url=False)
    bodied = [{**each, "loc": ("body", *each["loc"])} for each in details]
    return [from_pydantic(each, of_task=True) for each in bodied]


def from_pydantic(error: Mapping[str, Any], *, of_task: bool = False) -> Fault:
    """Return the fault that an error of pydantic stands for.

    In the body of a task, a field that is not taken is told why.
    """
    place, *path = error["loc"]
    code = SAME_AS.get(error["type"], error["type"])
    if code == "too_long" and isinstance(error.get("input"), str):
        code = "string_too_long"  # pydantic tells no texts from lists behind a validator
    if code == "extra_forbidden" and place == "body":
        code = _why_forbidden(path[-1], of_task=of_task and not {"filter", "payload"} & {*path})
    return Fault(_pointer(path), code, error.get("ctx") or {})


def _why_forbidden(name: Any, *, of_task: bool) -> str:
    if name in PAUSE:
        return "pause_is_a_verb"
    if not of_task:
        return "extra_forbidden"
    if name == "status":
        return "status_is_not_given"
    if name in TaskCreation.model_fields:
        return "field_is_fixed"
    return "field_is_not_given" if name in TaskDetail.model_fields else "extra_forbidden"


def _pointer(path: Sequence[Any]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
