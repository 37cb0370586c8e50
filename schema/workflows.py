"""Workflows of RunningHub as tasks: what their payload holds, and what their rows show of it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from schema.limits import TITLE_LENGTH

TASK_TYPE = "runninghub"

QUEUE = "runninghub"
"""The queue of the first key; each key has `runninghub:ALIAS` besides."""

RETRY_LIMIT = 0
"""Where nothing else is said: a second run is paid again."""

MARGIN_MINUTES = 10
"""What uploads and downloads may take beside the run."""

TIMEOUT_SECONDS = (30 + MARGIN_MINUTES) * 60
"""Where nothing else is said, and no worker has told its queue otherwise."""

USUAL = (TIMEOUT_SECONDS, RETRY_LIMIT)

MOST_NODES = 500

_CONFIG = ConfigDict(extra="forbid", strict=True)


def is_queue(name: str) -> bool:
    """Whether a queue belongs to a key of RunningHub."""
    return name == QUEUE or name.startswith(f"{QUEUE}:")


def _queue(value: str) -> str:
    if not is_queue(value):
        raise PydanticCustomError("workflow_queue", "no queue of RunningHub")
    return value


class NodeInfo(BaseModel):
    """One input of one node, in RunningHub's words; a file is given as {"file": its number}."""

    model_config = _CONFIG

    node_id: Annotated[str, Field(alias="nodeId", min_length=1, max_length=64)]
    field_name: Annotated[str, Field(alias="fieldName", min_length=1, max_length=255)]
    field_value: Annotated[Any, Field(alias="fieldValue")]


class WorkflowPayload(BaseModel):
    """What a task of type `runninghub` runs.

    `on_uncertain` says what to do when nobody can tell whether RunningHub created a run: hold
    the task until a person decides, or create another, which may be paid twice.
    """

    model_config = _CONFIG

    workflow_id: Annotated[str, Field(min_length=1, max_length=64)]
    workflow_name: Annotated[str, Field(max_length=TITLE_LENGTH)] | None = None
    node_info_list: Annotated[list[NodeInfo], Field(max_length=MOST_NODES)] = []
    instance_type: Literal["default", "plus", "ultra"] | None = None
    on_uncertain: Literal["hold", "retry"] = "hold"
    add_metadata: bool | None = None
    use_personal_queue: bool | None = None
    retain_seconds: Annotated[int, Field(ge=10, le=180)] | None = None


class _Workflow(BaseModel):
    """What of a task depends on its being a workflow."""

    queue: Annotated[str, AfterValidator(_queue)]
    payload: WorkflowPayload


class Asked(Protocol):
    """What is asked for: a task, or a schedule that makes some."""

    task_type: str
    queue: str
    payload: Any

    @property
    def model_fields_set(self) -> set[str]:
        """The fields that were given."""


def fit(asked: Asked) -> None:
    """Check what is asked for if it is a workflow, and give it the queue where none was given.

    Raises pydantic's ValidationError, which tells the fields.
    """
    if asked.task_type != TASK_TYPE:
        return
    if "queue" not in asked.model_fields_set:
        asked.queue = QUEUE
    check(asked.queue, asked.payload)


def check(queue: str, payload: Any) -> None:
    """Raise pydantic's ValidationError when a workflow cannot be run from these."""
    _Workflow.model_validate({"queue": queue, "payload": payload})


def shown(task_type: str, payload: Any) -> tuple[str | None, int | None]:
    """Return workflow_name and node_count of a task; None for what is no workflow."""
    if task_type != TASK_TYPE or not isinstance(payload, Mapping):
        return None, None
    name, nodes = payload.get("workflow_name"), payload.get("node_info_list", [])
    return (
        name[:TITLE_LENGTH] if isinstance(name, str) else None,
        len(nodes) if isinstance(nodes, list) else None,
    )
