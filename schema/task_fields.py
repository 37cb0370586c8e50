"""What clients send about a task: to create it, to change it."""

from pydantic import BaseModel, ConfigDict, Field, model_validator, with_config
from typing_extensions import TypedDict

from schema import workflows
from schema.fields import (
    AccountId,
    CallbackUrl,
    Description,
    Moment,
    Payload,
    PriorityName,
    RetryLimit,
    Tags,
    TaskQueue,
    TaskType,
    TimeoutSeconds,
    Title,
    UniqueKey,
)
from schema.new_task import NewTask, OnConflict
from schema.states import Priority

_CONFIG = ConfigDict(extra="forbid", strict=True)


class TaskCreation(BaseModel):
    """A task to be created; only `title` is required."""

    model_config = _CONFIG

    title: Title
    description: Description | None = None
    priority: PriorityName = Priority.MEDIUM
    tags: Tags = []
    due_date: Moment | None = Field(None, description="Informs; does not schedule")
    timeout_seconds: TimeoutSeconds | None = Field(
        None, description="Time that one attempt has; null: the queue's default, else 300"
    )
    retry_limit: RetryLimit | None = Field(
        None, description="Retries after the first attempt; null: the queue's default, else 3"
    )
    task_type: TaskType = Field("default", description="Names the handler that runs it")
    queue: TaskQueue = Field(
        "default", description="Comes to be with its first task; left out, workflows have their own"
    )
    payload: Payload = None
    account_id: AccountId | None = None
    available_at: Moment | None = Field(None, description="Not to be started before; null: now")
    hold: bool = Field(default=False, description="Create it paused")
    unique_key: UniqueKey | None = Field(
        None, description="At most one unfinished task has this key"
    )
    on_conflict: OnConflict = Field(
        "reject", description="Where an unfinished task has the key: 409, or 200 with that task"
    )
    callback_url: CallbackUrl | None = None

    @model_validator(mode="after")
    def _fits_its_type(self) -> "TaskCreation":
        workflows.fit(self)
        return self

    def task(self) -> NewTask:
        """Return it as the schema takes it."""
        return NewTask(**dict(self))


@with_config(_CONFIG)
class TaskChanges(TypedDict, total=False):
    """Fields to change; those left out stay as they are."""

    title: Title
    description: Description | None
    priority: PriorityName
    tags: Tags
    due_date: Moment | None
    timeout_seconds: TimeoutSeconds
    retry_limit: RetryLimit
    payload: Payload
    account_id: AccountId | None
    callback_url: CallbackUrl | None
