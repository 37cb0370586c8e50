"""The types of what clients send: what each field takes, and what it refuses."""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from schema import reserved
from schema.destinations import URL_LENGTH, DestinationError, destination_of
from schema.documents import (
    CHECKPOINT_BYTES,
    PAYLOAD_BYTES,
    RESULT_BYTES,
    DocumentError,
    encode,
)
from schema.limits import (
    ACCOUNT_LENGTH,
    ERROR_CLASS_LENGTH,
    KEY_LENGTH,
    NAME_LENGTH,
    SETTING_REASON_LENGTH,
    TITLE_LENGTH,
)
from schema.states import STATUSES_OF, Priority

DESCRIPTION_LENGTH = 16_000
REASON_LENGTH = 2_000
MAX_TAGS = 50
MAX_ID = 2**63 - 1

PRIORITIES = {str(priority): priority for priority in Priority} | {
    priority.name.lower(): priority for priority in Priority
}
"""The requirement's words and their English ones: 高 is high, 中 is medium, 低 is low."""

_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_FIRST = datetime(1000, 1, 1, tzinfo=UTC)


_BLANKS = r"\s\u001c-\u001f\u0085"
_CONTROLS = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_NO_BLANK, _NO_CONTROL = f"[^{_BLANKS}{_CONTROLS}]", f"[^{_CONTROLS}]"

# What the checks below refuse, as JSON Schema says it.
_TEXT = {"pattern": r"^[^\u0000]*$"}
_TITLE = {"pattern": rf"^[^\u0000]*[^\u0000{_BLANKS}][^\u0000]*$"}
_LABEL = {"pattern": f"^{_NO_BLANK}({_NO_CONTROL}*{_NO_BLANK})?$"}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("nul_character", "NUL character")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("blank", "blank")
    return value


def _label(value: str) -> str:
    """Check a name that people choose: 'a' and 'a ' would be one in the database."""
    if value.strip() != value:
        raise PydanticCustomError("outer_blanks", "outer blanks")
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in value):
        raise PydanticCustomError("control_character", "control character")
    return value


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*", value):
        raise PydanticCustomError("name_pattern", "not a name")
    return value


def _not_reserved(value: str) -> str:
    if value in reserved.NAMES:
        raise PydanticCustomError("reserved", "the system's own")
    return value


def _destination(value: str) -> str:
    try:
        destination_of(value)
    except DestinationError as error:
        raise PydanticCustomError(error.code, "not a destination") from None
    return value


def _priority(value: Any) -> Priority:
    if not isinstance(value, str) or value not in PRIORITIES:
        raise PydanticCustomError("not_one_of", "", {"expected": ", ".join(PRIORITIES)})
    return PRIORITIES[value]


def _state(value: str) -> str:
    if value not in STATUSES_OF:
        raise PydanticCustomError("not_one_of", "", {"expected": ", ".join(STATUSES_OF)})
    return value


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return _in_range(value if value.tzinfo else value.replace(tzinfo=UTC))
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise PydanticCustomError("moment_format", "not a time")
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise PydanticCustomError("moment_format", "not a time") from None
    return _in_range(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _in_range(moment: datetime) -> datetime:
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("moment_range", "out of range") from None
    if moment < _FIRST:
        raise PydanticCustomError("moment_range", "out of range")
    return moment


def _document(max_bytes: int) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        try:
            encode(value, max_bytes=max_bytes)
        except DocumentError as error:
            why = {"reason": str(error)}
            raise PydanticCustomError("document", "it cannot be stored: {reason}", why) from None
        return value

    return check


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


WHOLE = BeforeValidator(_whole)
"""JSON has one kind of number: 3.0 is an integer too."""

Title = Annotated[
    str,
    Field(min_length=1, max_length=TITLE_LENGTH, json_schema_extra=_TITLE),
    AfterValidator(_not_blank),
    AfterValidator(_text),
]
Description = Annotated[
    str, Field(max_length=DESCRIPTION_LENGTH, json_schema_extra=_TEXT), AfterValidator(_text)
]
Reason = Annotated[
    str, Field(max_length=REASON_LENGTH, json_schema_extra=_TEXT), AfterValidator(_text)
]
DispatcherReason = Annotated[
    str, Field(max_length=SETTING_REASON_LENGTH, json_schema_extra=_TEXT), AfterValidator(_text)
]
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=NAME_LENGTH,
        json_schema_extra={"pattern": "^[A-Za-z0-9_][A-Za-z0-9_.:-]*$"},
    ),
    AfterValidator(_name),
]
"""A name of a queue or a task type: letters, digits and _ - . : without a sign in front."""

Tag = Annotated[
    str,
    Field(min_length=1, max_length=NAME_LENGTH, json_schema_extra=_LABEL),
    AfterValidator(_label),
]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(_distinct)]
AccountId = Annotated[
    str,
    Field(min_length=1, max_length=ACCOUNT_LENGTH, json_schema_extra=_LABEL),
    AfterValidator(_label),
]
UniqueKey = Annotated[
    str,
    Field(min_length=1, max_length=KEY_LENGTH, json_schema_extra=_LABEL),
    AfterValidator(_label),
]
ErrorClass = Annotated[
    str,
    Field(min_length=1, max_length=ERROR_CLASS_LENGTH, json_schema_extra=_TEXT),
    AfterValidator(_text),
]
PriorityName = Annotated[
    Priority,
    BeforeValidator(_priority),
    WithJsonSchema({"type": "string", "enum": list(PRIORITIES)}),
]
StateWord = Annotated[
    str,
    AfterValidator(_state),
    WithJsonSchema({"type": "string", "enum": list(STATUSES_OF)}),
]
"""A word of the requirement documents for how a task stands."""

Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time by RFC 3339, taken as UTC where it has no offset."""

TaskQueue = Annotated[Name, AfterValidator(_not_reserved)]
TaskType = Annotated[Name, AfterValidator(_not_reserved)]
CallbackUrl = Annotated[
    str,
    Field(
        min_length=1,
        max_length=URL_LENGTH,
        description="Its end is announced there by a signed POST",
        json_schema_extra={"format": "uri"},
    ),
    AfterValidator(_destination),
]

Payload = Annotated[
    Any,
    AfterValidator(_document(PAYLOAD_BYTES)),
    Field(description="Input of the handler: any JSON of up to 256 KiB"),
]
Result = Annotated[
    Any,
    AfterValidator(_document(RESULT_BYTES)),
    Field(description="What came of it: any JSON of up to 1 MiB"),
]
Checkpoint = Annotated[
    Any,
    AfterValidator(_document(CHECKPOINT_BYTES)),
    Field(description="What the next attempt is to know: any JSON of up to 1 MiB"),
]
Text = Annotated[str, Field(json_schema_extra=_TEXT), AfterValidator(_text)]
TimeoutSeconds = Annotated[int, Field(ge=1, le=604_800), WHOLE]
RetryLimit = Annotated[int, Field(ge=0, le=100), WHOLE]
