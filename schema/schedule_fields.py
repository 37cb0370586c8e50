"""What clients send about a schedule: to create it, to change it."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
    with_config,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from schema import cron, windows, workflows
from schema.cron import CronError
from schema.fields import (
    WHOLE,
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
)
from schema.models.schedules import Misfire, Overlap
from schema.states import Priority
from schema.templates import PLACEHOLDERS, unknown_placeholders
from schema.times import to_database
from schema.windows import WindowsError
from schema.zones import UnknownZoneError, zone_of

INTERVAL_SECONDS = 3_600
LONGEST_INTERVAL_SECONDS = 315_360_000
VALID_TIME_RANGE = [8, 22]

_CONFIG = ConfigDict(extra="forbid", strict=True)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_WINDOW = {
    "type": "array",
    "items": {"type": ["integer", "string"]},
    "minItems": 2,
    "maxItems": 2,
    "examples": [[8, 22], [22, 6], ["08:30", "12:00"]],
}


def _title(value: str) -> str:
    if unknown := unknown_placeholders(value):
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        values = {"unknown": f"{{{unknown[0]}}}", "known": known}
        raise PydanticCustomError("placeholder_unknown", "unknown placeholder", values)
    return value


def _cron(value: str) -> str:
    try:
        cron.check(value)
    except CronError as error:
        raise PydanticCustomError("cron_invalid", "", {"reason": str(error)}) from None
    return " ".join(value.split())


def _zone(value: str) -> str:
    try:
        zone_of(value)
    except UnknownZoneError:
        raise PydanticCustomError("zone_unknown", "no such time zone") from None
    return value


def _windows(value: Any) -> Any:
    try:
        windows.parse(value)
    except WindowsError:
        raise PydanticCustomError("windows_invalid", "not windows of the day") from None
    return value


def _day(value: Any) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise PydanticCustomError("day_format", "not a day")
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("day_format", "not a day") from None
    if day.year < 1000:
        raise PydanticCustomError("moment_range", "out of range")
    return day


def _word(words: type[Overlap | Misfire]) -> Any:
    def read(value: Any) -> Any:
        if value not in list(words):
            raise PydanticCustomError("not_one_of", "", {"expected": ", ".join(words)})
        return words(value)

    return BeforeValidator(read)


TaskTitle = Annotated[
    Title,
    AfterValidator(_title),
    Field(description="Of its tasks; may have {" + "}, {".join(PLACEHOLDERS) + "}"),
]
Cron = Annotated[
    str,
    Field(max_length=255, description="Five fields, or six with seconds first; excludes interval"),
    AfterValidator(_cron),
]
Interval = Annotated[
    int,
    Field(ge=1, le=LONGEST_INTERVAL_SECONDS, description="Seconds from one run to the next"),
    WHOLE,
]
TimeZone = Annotated[
    str,
    Field(max_length=64, description="IANA name; the setting TIMEZONE where it is left out"),
    AfterValidator(_zone),
]
ValidTimeRange = Annotated[
    Any,
    BeforeValidator(_windows),
    WithJsonSchema({"anyOf": [_WINDOW, {"type": "array", "items": _WINDOW}, {"type": "null"}]}),
    Field(
        description="Window of the day in which it runs, hours or HH:MM, the end not included;"
        " several as a list; null: all day. Left out, it is [8, 22], and null beside cron"
    ),
]
Day = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "format": "date"}),
    Field(description="Completed from the start of this day on, in its time zone"),
]
Rounds = Annotated[
    int, Field(ge=1, le=2**31 - 1, description="Completed after so many rounds"), WHOLE
]
OverlapWord = Annotated[
    Overlap,
    _word(Overlap),
    Field(
        description="When its last task is not finished: skip the run, queue another task, or"
        " replace it. Left out, it is skip, and queue beside misfire all"
    ),
]
MisfireWord = Annotated[
    Misfire,
    _word(Misfire),
    Field(description="What fell due while nobody ran: run once, run all of it, or skip it"),
]


class ScheduleCreation(BaseModel):
    """A schedule to be created; only a name or a title is required."""

    model_config = _CONFIG

    name: Title | None = Field(None, description="Left out, it is the title")
    title: TaskTitle = "{name}"
    description: Description | None = None
    task_type: TaskType = "default"
    queue: TaskQueue = "default"
    priority: PriorityName = Priority.MEDIUM
    payload: Payload = None
    tags: Tags = []
    timeout_seconds: TimeoutSeconds | None = None
    retry_limit: RetryLimit | None = None
    account_id: AccountId | None = None
    callback_url: CallbackUrl | None = None
    interval: Interval | None = None
    cron: Cron | None = None
    timezone: TimeZone | None = None
    valid_time_range: ValidTimeRange = None
    start_at: Moment | None = Field(None, description="It does not run before")
    task_end_time: Day | None = None
    max_rounds: Rounds | None = None
    overlap: OverlapWord | None = None
    misfire: MisfireWord = Misfire.ONCE
    unique: bool = Field(
        default=True, description="The only one of its task_type and account_id that is live"
    )

    @model_validator(mode="after")
    def _has_a_name_and_one_timing(self) -> "ScheduleCreation":
        if self.name is None and "title" not in self.model_fields_set:
            raise PydanticCustomError("name_or_title", "neither name nor title")
        if self.interval is not None and self.cron is not None:
            raise PydanticCustomError("one_timing", "both interval and cron")
        workflows.fit(self)
        return self

    def columns(self, timezone: str) -> dict[str, Any]:
        """Return it as a row of `schedules`; `timezone` is the one where none is given."""
        given = dict(self)
        if self.cron is None:
            given["interval"] = self.interval or INTERVAL_SECONDS
            if "valid_time_range" not in self.model_fields_set:
                given["valid_time_range"] = VALID_TIME_RANGE
        usual = Overlap.QUEUE if self.misfire is Misfire.ALL else Overlap.SKIP
        given["name"] = self.name or self.title
        given["timezone"] = self.timezone or timezone
        given["overlap"] = self.overlap or usual
        return _columns(given)


@with_config(_CONFIG)
class ScheduleChanges(TypedDict, total=False):
    """Fields to change; those left out stay as they are. A cron takes the interval's place."""

    name: Title
    title: TaskTitle
    description: Description | None
    task_type: TaskType
    queue: TaskQueue
    priority: PriorityName
    payload: Payload
    tags: Tags
    timeout_seconds: TimeoutSeconds | None
    retry_limit: RetryLimit | None
    account_id: AccountId | None
    callback_url: CallbackUrl | None
    interval: Interval
    cron: Cron
    timezone: TimeZone
    valid_time_range: ValidTimeRange
    start_at: Moment | None
    task_end_time: Day | None
    max_rounds: Rounds | None
    overlap: OverlapWord
    misfire: MisfireWord
    unique: bool


def _one_timing(changes: ScheduleChanges) -> ScheduleChanges:
    if "interval" in changes and "cron" in changes:
        raise PydanticCustomError("one_timing", "both interval and cron")
    return changes


ScheduleChange = Annotated[ScheduleChanges, AfterValidator(_one_timing)]


def changed_columns(changes: ScheduleChanges) -> dict[str, Any]:
    """Return changes as columns of `schedules`, interval and cron each in the other's place."""
    given: dict[str, Any] = dict(changes)
    if "interval" in given:
        given["cron"] = None
    elif "cron" in given:
        given["interval"] = None
    return _columns(given)


def _columns(given: Mapping[str, Any]) -> dict[str, Any]:
    names = {"interval": "interval_seconds", "unique": "is_unique"}
    columns = {names.get(name, name): value for name, value in given.items()}
    if "start_at" in columns:
        columns["start_at"] = to_database(columns["start_at"])
    return columns
