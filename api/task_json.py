"""A task as JSON."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from api.etags import content_etag, task_etag
from schema.listing import TaskRow
from schema.models.metadata import Model
from schema.models.tasks import Task
from schema.shown import OPTIONS, summary
from schema.states import Priority, Stage, State, Status


class Progress(BaseModel):
    """How far a handler says it is."""

    percent: float
    message: str | None


def described_by(model: type[Model]) -> ConfigDict:
    """Return the configuration that gives fields the descriptions that a DBA reads."""

    def describe(schema: dict[str, Any]) -> None:
        for name, field in schema["properties"].items():
            if name in model.__table__.c:
                field["description"] = model.__table__.c[name].comment

    return ConfigDict(json_schema_extra=describe)


class TaskSummary(BaseModel):
    """A task in a list. All times are UTC."""

    model_config = described_by(Task)

    id: int
    title: str
    description: str | None
    status: Status
    state: State
    stopping: bool
    priority: Priority
    tags: list[str]
    due_date: datetime | None
    timeout_seconds: int
    retry_limit: int
    current_retry_count: int
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    queue: str
    task_type: str
    account_id: str | None
    available_at: datetime
    worker_id: str | None
    fence: int
    lease_expires_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    stage: Stage | None
    progress: Progress | None
    last_error: str | None
    error_class: str | None
    crash_count: int
    unique_key: str | None
    schedule_id: int | None
    batch_id: int | None
    callback_url: str | None
    callback_of: int | None
    traceparent: str | None
    workflow_name: str | None
    node_count: int | None
    version: int
    allowed_actions: list[str]


class TaskDetail(TaskSummary):
    """A single task, with what lists leave out."""

    payload: Any
    result: Any
    checkpoint: Any


class TaskResponse(Response):
    """One task."""

    def __init__(
        self,
        task: TaskRow,
        status_code: int = 200,
        headers: dict[str, str] | None = None,
        *,
        more: dict[str, Any] | None = None,
    ) -> None:
        self.version = task["version"]
        content = orjson.dumps(summary(task) | (more or {}), option=OPTIONS)
        told = {"etag": task_etag(task), **(headers or {})}
        super().__init__(content, status_code, told, "application/json")


class TasksResponse(Response):
    """A bare array of tasks."""

    def __init__(
        self,
        tasks: Iterable[TaskRow],
        status_code: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        content = orjson.dumps([summary(task) for task in tasks], option=OPTIONS)
        told = headers or {}
        if status_code == 200:
            told["etag"] = content_etag(content, told.get("link", ""))
        super().__init__(content, status_code, told, "application/json")
