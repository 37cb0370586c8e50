"""What clients send about a queue: to create it, to change it, to pause it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from schema.fields import WHOLE, Description, Name, Reason, RetryLimit, TimeoutSeconds
from schema.limits import (
    LARGEST_LIMIT,
    LONGEST_PAUSE_SECONDS,
    LONGEST_PERIOD_SECONDS,
    LONGEST_RETENTION_DAYS,
)

_CONFIG = ConfigDict(extra="forbid", strict=True)

MaxConcurrency = Annotated[int, Field(ge=0, le=LARGEST_LIMIT), WHOLE]
RateLimit = Annotated[int, Field(ge=1, le=LARGEST_LIMIT), WHOLE]
RatePeriodSeconds = Annotated[int, Field(ge=1, le=LONGEST_PERIOD_SECONDS), WHOLE]


RetentionDays = Annotated[int, Field(ge=0, le=LONGEST_RETENTION_DAYS), WHOLE]


class QueueCreation(BaseModel):
    """A queue to be created before its first task; only `name` is required."""

    model_config = _CONFIG

    name: Name
    description: Description | None = None
    max_concurrency: MaxConcurrency | None = Field(
        None, description="Tasks in progress at once over all workers; null: no limit"
    )
    rate_limit: RateLimit | None = Field(
        None, description="Starts per period, at once or spread over it; null: no limit"
    )
    rate_period_seconds: RatePeriodSeconds = Field(1, description="Length of that period")
    timeout_seconds: TimeoutSeconds | None = Field(
        None, description="What its tasks get that do not say; null: 300"
    )
    retry_limit: RetryLimit | None = Field(
        None, description="What its tasks get that do not say; null: 3"
    )
    retention_days: RetentionDays | None = Field(
        None, description="Days that done tasks are kept; 0: for ever; null: RETENTION_DAYS"
    )
    retention_failed_days: RetentionDays | None = Field(
        None, description="The same of failed and cancelled ones; null: RETENTION_FAILED_DAYS"
    )


@with_config(_CONFIG)
class QueueChanges(TypedDict, total=False):
    """Fields to change; those left out stay as they are, null takes a limit or default away."""

    description: Description | None
    max_concurrency: MaxConcurrency | None
    rate_limit: RateLimit | None
    rate_period_seconds: RatePeriodSeconds
    timeout_seconds: TimeoutSeconds | None
    retry_limit: RetryLimit | None
    retention_days: RetentionDays | None
    retention_failed_days: RetentionDays | None


class QueuePause(BaseModel):
    """Why a queue is paused, and for how long."""

    model_config = _CONFIG

    reason: Reason | None = None
    seconds: (
        Annotated[
            int,
            Field(
                ge=1,
                le=LONGEST_PAUSE_SECONDS,
                description="It then resumes by itself; left out: when somebody resumes it",
            ),
            WHOLE,
        ]
        | None
    ) = None
