"""The tasks that a schedule makes: its template, filled in for one run."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from schema.limits import TITLE_LENGTH
from schema.new_task import NewTask
from schema.task_fields import TaskCreation
from schema.zones import reading, zone_of

PLACEHOLDERS = ("account_id", "date", "name", "round", "time")
"""What a title may have in braces; date and time are those at which the run is due, as the
clocks of the schedule's time zone show them."""

TEMPLATE = (
    "description",
    "priority",
    "tags",
    "timeout_seconds",
    "retry_limit",
    "task_type",
    "queue",
    "payload",
    "account_id",
    "callback_url",
)
"""Fields of a schedule that its tasks get as they are."""

_PLACEHOLDER = re.compile(r"\{(\w*)\}")


class TemplateError(ValueError):
    """A schedule's template makes no task; the message says why."""


def unknown_placeholders(title: str) -> list[str]:
    """Return what stands in braces in a title and is no placeholder."""
    return [name for name in _PLACEHOLDER.findall(title) if name not in PLACEHOLDERS]


def task_of(row: Mapping[str, Any], *, round_num: int, due: datetime) -> NewTask:
    """Return the task of one run of a schedule: a row of `schedules`, its round, when it is due.

    Raises TemplateError when the row holds what no task may have.
    """
    try:
        title = _title(row, round_num, due)
        creation = TaskCreation(title=title, **{name: row[name] for name in TEMPLATE})
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise TemplateError("; ".join(faults)) from None
    except KeyError as error:
        raise TemplateError(f"title: there is no placeholder {error}") from None
    return replace(creation.task(), schedule_id=row.get("id"))


def _title(row: Mapping[str, Any], round_num: int, due: datetime) -> str:
    shown = reading(due, zone_of(row["timezone"]))
    values = {
        "account_id": row["account_id"] or "",
        "date": f"{shown:%Y-%m-%d}",
        "name": row["name"],
        "round": str(round_num),
        "time": f"{shown:%H:%M}",
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], row["title"])[:TITLE_LENGTH]
