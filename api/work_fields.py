"""What workers that speak HTTP send and are told."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from schema.attempts import (
    Failed,
    Failure,
    Held,
    Outcome,
    Progress,
    Released,
    Snoozed,
    Succeeded,
)
from schema.documents import CHECKPOINT_BYTES, RESULT_BYTES, encode
from schema.fields import MAX_ID, WHOLE, Checkpoint, ErrorClass, Name, Reason, Result, Text
from schema.limits import (
    ACCOUNT_LENGTH,
    LONGEST_PAUSE_SECONDS,
    MOST_AT_ONCE,
    NAME_LENGTH,
    PROGRESS_MESSAGE_LENGTH,
    WORKER_ID_LENGTH,
)
from schema.states import Stage
from schema.task_fields import TaskCreation

_CONFIG = ConfigDict(extra="forbid", strict=True)

MOST_SLOTS = 100
MOST_WORDS = 100
MOST_ENQUEUED = 100
LONGEST_WAIT_SECONDS = 30

_WORD = re.compile(r"\*|-?[A-Za-z0-9_][A-Za-z0-9_.:-]*")


def _queue_word(value: str) -> str:
    if not _WORD.fullmatch(value):
        raise PydanticCustomError("queue_word", "not a queue")
    return value


WorkerId = Annotated[
    Name,
    Field(
        max_length=WORKER_ID_LENGTH,
        description="Chosen by the worker anew at each start, as host:pid:random",
    ),
]
QueueWord = Annotated[str, Field(max_length=NAME_LENGTH + 1), AfterValidator(_queue_word)]
TaskNumber = Annotated[int, Field(ge=1, le=MAX_ID), WHOLE]


class Lease(BaseModel):
    """The right to run a task: the fence that its claim came with proves it."""

    model_config = _CONFIG

    id: TaskNumber
    fence: TaskNumber

    @property
    def hold(self) -> tuple[int, int]:
        """The lease as the schema takes it."""
        return self.id, self.fence


class ClaimOrder(BaseModel):
    """Who asks for work, and for which."""

    model_config = _CONFIG

    worker_id: WorkerId
    queues: Annotated[list[QueueWord], Field(min_length=1, max_length=MOST_WORDS)] = Field(
        ["*"], description="In order of preference; * is all others, -name leaves one out"
    )
    task_types: Annotated[list[Name], Field(max_length=MOST_WORDS)] = Field(
        [], description="Which it can run; others are given back for 10 s. Empty: any"
    )
    slots: Annotated[int, Field(ge=1, le=MOST_SLOTS), WHOLE] = Field(
        1, description="Most tasks to claim"
    )
    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT_SECONDS)] = Field(
        0, description="Seconds to wait for a task when there is none"
    )
    holding: Annotated[list[Lease], Field(max_length=MOST_AT_ONCE)] | None = Field(
        None,
        description="Every lease that it has and whose end was not yet answered: others that it"
        " was given are given back, their answer was lost. null: none is given back",
    )
    host: Annotated[Text, Field(min_length=1, max_length=255)] | None = Field(
        None, description="Name of its host; null: the address that it asks from"
    )
    pid: Annotated[int, Field(ge=0, le=2**31 - 1), WHOLE] = Field(0, description="Its process id")
    version: Annotated[Text, Field(min_length=1, max_length=64)] = "http"


class ClaimedTask(BaseModel):
    """A task to be run now, until lease_expires_at. All times are UTC."""

    id: int
    fence: int
    run_fence: int = Field(
        description="Fence of the first claim since it was created or started: task and run_fence"
        " together are a key for outside systems, the same for all attempts"
    )
    title: str
    task_type: str
    queue: str
    account_id: Annotated[str, Field(max_length=ACCOUNT_LENGTH)] | None
    timeout_seconds: int
    attempt: int
    retry_limit: int
    available_at: datetime
    started_at: datetime
    lease_expires_at: datetime
    traceparent: str | None
    tags: list[str]
    payload: Any
    checkpoint: Any = Field(description="What an earlier attempt saved; null: nothing")


class Report(Lease):
    """A lease that is held, and what is to be said of it."""

    percent: Annotated[float, Field(ge=0, le=100)] | None = None
    message: Annotated[Text, Field(max_length=PROGRESS_MESSAGE_LENGTH)] | None = None
    stage: Stage | None = Field(None, strict=False, description="Of a remote system")
    checkpoint: Checkpoint = None

    def progress(self) -> Progress | None:
        """Return what it says of the progress, None when nothing."""
        if self.model_fields_set.isdisjoint({"percent", "message", "stage"}):
            return None
        return Progress(self.percent, self.message, self.stage)

    def saved(self) -> str | None:
        """Return the checkpoint to be saved as JSON text, None where none is given."""
        if "checkpoint" not in self.model_fields_set:
            return None
        return encode(self.checkpoint, max_bytes=CHECKPOINT_BYTES)


class Heartbeat(BaseModel):
    """That a worker lives, and what it runs."""

    model_config = _CONFIG

    worker_id: WorkerId
    status: Literal["alive", "draining", "stopped"] = Field(
        "alive", description="stopped: it has ended; what it still holds runs elsewhere at once"
    )
    tasks: Annotated[list[Report], Field(max_length=MOST_AT_ONCE)] = []


class Ended(BaseModel):
    """A task that its worker is to end running."""

    id: int
    fence: int
    reason: Literal["stopped", "lost"] = Field(
        description="stopped: end it and settle; lost: end it, no end of it is taken any more"
    )


class Settlement(Lease):
    """How an attempt ended."""

    outcome: Literal["succeeded", "failed", "snoozed", "held", "released"]
    result: Result = None
    enqueue: Annotated[list[TaskCreation], Field(max_length=MOST_ENQUEUED)] = Field(
        [], description="Tasks to be created with a success, or not at all"
    )
    message: Text | None = Field(None, description="With failed: what went wrong")
    error_class: ErrorClass = Field("Error", description="With failed: to group by")
    traceback: Text | None = Field(None, description="With failed")
    for_good: bool = Field(default=False, description="With failed: no retry")
    seconds: Annotated[float, Field(ge=0, le=LONGEST_PAUSE_SECONDS)] | None = Field(
        None, description="With snoozed: for how long; no retry is counted"
    )
    reason: Reason | None = Field(None, description="With held: why a person is to look")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        needed = {"failed": "message", "snoozed": "seconds", "held": "reason"}.get(self.outcome)
        if needed is not None and getattr(self, needed) is None:
            raise PydanticCustomError("outcome_needs", "{field} is missing", {"field": needed})
        return self

    def end(self) -> Outcome:
        """Return the outcome as the schema takes it."""
        match self.outcome:
            case "succeeded":
                text = encode(self.result, max_bytes=RESULT_BYTES)
                enqueued = tuple(each.task() for each in self.enqueue)
                return Succeeded(None if self.result is None else text, enqueued)
            case "failed":
                failure = Failure(self.error_class, self.message or "", self.traceback)
                return Failed(failure, for_good=self.for_good)
            case "snoozed":
                return Snoozed(self.seconds or 0)
            case "held":
                return Held(self.reason or "")
            case "released":
                return Released()


class Settlements(BaseModel):
    """Ends of attempts."""

    model_config = _CONFIG

    worker_id: WorkerId
    settlements: Annotated[list[Settlement], Field(min_length=1, max_length=MOST_AT_ONCE)]


class Settled(BaseModel):
    """What became of a settlement: lost means that the lease was lost, and nothing was changed."""

    id: int
    fence: int
    answer: Literal["taken", "lost"]
