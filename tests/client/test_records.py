"""What the API answers, as the client reads it."""

import dataclasses
from collections.abc import Iterable
from datetime import UTC, datetime
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import BaseModel

from api import (
    batch_creation,
    batches,
    dispatcher,
    documentation,
    files,
    history,
    overview,
    queues,
    schedule_json,
    schedule_query,
    tags,
    task_json,
    task_query,
    verbs,
    why,
    workers,
)
from rowlease import task_fields, task_records
from rowlease.batches import (
    Batch,
    BatchListing,
    BatchReport,
    BatchStatus,
    BatchSummary,
    FailedMove,
    PartialCreation,
    RefusedTask,
)
from rowlease.dispatcher import DispatcherStatus, RunningTask
from rowlease.files import StoredFile
from rowlease.overview import (
    Alarm,
    AlarmCode,
    Durations,
    ErrorClass,
    Overview,
    Percentiles,
    Period,
    Slice,
    Workforce,
)
from rowlease.queues import NewQueue, Queue, QueueChanges, QueueListing
from rowlease.reading import Record, read
from rowlease.schedules import (
    Misfire,
    NewSchedule,
    Overlap,
    ReorderedSchedule,
    Schedule,
    ScheduleChanges,
    ScheduleListing,
    ScheduleStatus,
    ScheduleSummary,
)
from rowlease.tags import Tag, TagListing
from rowlease.task_records import Progress, Task
from rowlease.workers import HeldTask, Worker, WorkerListing, WorkerStatus
from schema import fields as taken_fields
from schema import overview as standing
from schema import queue_fields, schedule_fields, states, throughput, waiting
from schema import task_fields as taken
from schema.models import requests
from schema.models import schedules as stored_schedules
from schema.models import workers as stored_workers
from tests.client.answers import task

ANSWERED: list[tuple[type[Record], type[BaseModel]]] = [
    (task_records.Progress, task_json.Progress),
    (task_records.TaskSummary, task_json.TaskSummary),
    (task_records.Task, task_json.TaskDetail),
    (task_records.ReorderedTask, verbs.Reordered),
    (task_records.TaskStatus, history.TaskStatus),
    (task_records.Attempt, history.Attempt),
    (task_records.Event, history.Event),
    (task_records.Moment, history.Moment),
    (task_records.Why, why.Why),
    (task_records.WhyReason, why.WhyReason),
    (Worker, workers.WorkerSummary),
    (HeldTask, workers.HeldTask),
    (Queue, queues.QueueDetail),
    (ScheduleSummary, schedule_json.ScheduleSummary),
    (Schedule, schedule_json.ScheduleDetail),
    (ReorderedSchedule, schedule_json.ReorderedSchedule),
    (Tag, tags.TagSummary),
    (StoredFile, files.StoredFile),
    (DispatcherStatus, dispatcher.DispatcherStatus),
    (RunningTask, dispatcher.RunningTask),
    (BatchReport, batches.BatchReport),
    (BatchSummary, batches.BatchSummary),
    (Batch, batches.Batch),
    (FailedMove, batches.Failed),
    (PartialCreation, batch_creation.PartialCreation),
    (RefusedTask, documentation.RefusedTask),
    (Overview, overview.Overview),
    (Alarm, overview.Alarm),
    (Workforce, overview.Workforce),
    (Durations, overview.Durations),
    (Percentiles, overview.Percentiles),
    (Slice, overview.Throughput),
    (ErrorClass, overview.Errors),
]

SENT: list[tuple[Any, Any]] = [
    (task_fields.NewTask, taken.TaskCreation),
    (task_fields.TaskChanges, taken.TaskChanges),
    (task_fields.TaskListing, task_query.TaskQuery),
    (task_fields.TaskFilter, batches.Matching),
    (task_fields.Selection, batches.Selection),
    (WorkerListing, workers.WorkerQuery),
    (NewQueue, queue_fields.QueueCreation),
    (QueueChanges, queue_fields.QueueChanges),
    (QueueListing, queues.QueueQuery),
    (BatchListing, batches.BatchQuery),
    (TagListing, tags.TagQuery),
    (NewSchedule, schedule_fields.ScheduleCreation),
    (ScheduleChanges, schedule_fields.ScheduleChanges),
    (ScheduleListing, schedule_query.ScheduleQuery),
]

OF_PAGES = {"offset", "before_id", "after", "include_total"}
"""Parameters that iterating over all pages leaves nothing to do for."""

WORDS: list[tuple[Any, Iterable[str]]] = [
    (task_records.Status, states.Status),
    (task_records.State, states.State),
    (task_records.Priority, states.Priority),
    (task_records.AttemptOutcome, states.AttemptOutcome),
    (task_fields.PriorityName, taken_fields.PRIORITIES),
    (task_records.WaitsFor, waiting.WaitsFor),
    (WorkerStatus, stored_workers.WorkerStatus),
    (ScheduleStatus, stored_schedules.ScheduleStatus),
    (Overlap, stored_schedules.Overlap),
    (Misfire, stored_schedules.Misfire),
    (BatchStatus, requests.BATCH_STATUSES),
    (AlarmCode, standing.AlarmCode),
    (Period, throughput.Period),
]


@pytest.mark.parametrize(("record", "model"), ANSWERED)
def test_the_client_knows_what_the_api_answers(
    record: type[Record], model: type[BaseModel]
) -> None:
    known = get_type_hints(record)
    answered = get_type_hints(model)
    answered = {name: answered[name] for name in model.model_fields}

    assert known.keys() - {"json"} == answered.keys()
    assert {name for name in answered if _may_be_none(known[name])} == {
        name for name in answered if _may_be_none(answered[name])
    }


@pytest.mark.parametrize(("known", "taken_by_the_api"), SENT)
def test_the_client_knows_what_the_api_takes(known: Any, taken_by_the_api: Any) -> None:
    names = getattr(taken_by_the_api, "model_fields", None) or get_type_hints(taken_by_the_api)

    assert set(get_type_hints(known)) == set(names) - OF_PAGES


@pytest.mark.parametrize(("known", "words"), WORDS)
def test_the_client_knows_the_words(known: Any, words: Iterable[str]) -> None:
    assert set(get_args(known)) == set(words)


def test_times_have_their_zone_and_lists_do_not_change() -> None:
    found = read(Task, task(due_date="2030-01-31T08:00:00Z"))

    assert found.due_date == datetime(2030, 1, 31, 8, tzinfo=UTC)
    assert found.tags == ("a", "b")
    assert isinstance(found.progress, Progress)
    assert (found.progress.percent, found.progress.message) == (50, "half")
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.title = "b"  # type: ignore[misc]


def test_what_a_newer_server_adds_is_kept_aside() -> None:
    document = task(colour="red", status="dreaming")

    found = read(Task, document)

    assert found.json["colour"] == "red"
    assert str(found.status) == "dreaming"
    assert "colour" not in {each.name for each in dataclasses.fields(found)}
    assert found == read(Task, task(status="dreaming"))


@pytest.mark.parametrize(
    ("status", "has_ended"),
    [("to_do", False), ("paused", False), ("done", True), ("failed", True), ("cancelled", True)],
)
def test_a_task_says_whether_it_has_ended(status: str, *, has_ended: bool) -> None:
    assert read(Task, task(status=status)).has_ended is has_ended


def _may_be_none(hint: Any) -> bool:
    return hint is Any or NoneType in get_args(hint)
