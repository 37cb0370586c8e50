"""What a server of Rowlease answers, made up."""

from typing import Any

from tests.client.scripted import PROBLEM, Answer

TIME = "2030-01-31T08:00:00.123456Z"


def task(**fields: Any) -> dict[str, Any]:
    """Return a task as JSON."""
    return {
        "id": 5,
        "title": "a task",
        "description": None,
        "status": "to_do",
        "state": "PENDING",
        "stopping": False,
        "priority": "中",
        "tags": ["a", "b"],
        "due_date": None,
        "timeout_seconds": 300,
        "retry_limit": 3,
        "current_retry_count": 0,
        "created_at": TIME,
        "updated_at": TIME,
        "completed_at": None,
        "queue": "default",
        "task_type": "default",
        "account_id": None,
        "available_at": TIME,
        "worker_id": None,
        "fence": 0,
        "lease_expires_at": None,
        "started_at": None,
        "finished_at": None,
        "stage": None,
        "progress": {"percent": 50.0, "message": "half"},
        "last_error": None,
        "error_class": None,
        "crash_count": 0,
        "unique_key": None,
        "schedule_id": None,
        "batch_id": None,
        "callback_url": None,
        "callback_of": None,
        "traceparent": None,
        "workflow_name": None,
        "node_count": None,
        "version": 1,
        "allowed_actions": ["stop"],
        "payload": None,
        "result": None,
        "checkpoint": None,
    } | fields


def problem(status: int, code: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    """Return a refusal."""
    document = {"status": status, "code": code, "detail": f"It is {code}."} | more
    return Answer(status, document, {"content-type": PROBLEM} | (headers or {}))
