"""Workflows as tasks in the database, and the workers that run them."""

from typing import Any

from sqlalchemy import Engine

from schema import files, leases, workers
from schema.files import NewFile
from schema.runtime.files import FileStore
from schema.runtime.settings import settings
from schema.runtime.transactions import transaction
from tests.processes import Running, Start
from tests.rows import AT_ONCE, make, row
from tests.waiting import wait_for
from tools.runninghub_double.pictures import picture
from tools.runninghub_double.workflows import PORTRAIT

PICTURE = picture("of a test")


def text_payload(text: str) -> dict[str, Any]:
    """Return a payload that can be told apart at RunningHub."""
    node = {"nodeId": "6", "fieldName": "text", "fieldValue": text}
    return {"workflow_id": PORTRAIT, "node_info_list": [node]}


def picture_payload(engine: Engine) -> dict[str, Any]:
    """Store a picture, and return a payload that uses it."""
    with FileStore(settings().files_url).draft() as draft, transaction(engine) as connection:
        draft.write(PICTURE)
        draft.finish()
        new = NewFile(draft.sha256, draft.size_bytes, "me.png", "image/png")
        file_id, _ = files.register(connection, new)
        draft.place()
    return portrait_payload(file_id)


def portrait_payload(file_id: int) -> dict[str, Any]:
    """Return a payload that uses a file that is stored."""
    node = {"nodeId": "10", "fieldName": "image", "fieldValue": {"file": file_id}}
    return {"workflow_id": PORTRAIT, "workflow_name": "portrait", "node_info_list": [node]}


def make_workflow(engine: Engine, payload: dict[str, Any]) -> int:
    """Create a task that waits."""
    return make(engine, task_type="runninghub", queue="runninghub", payload=payload)[0]


def started(start: Start, **environment: str) -> Running:
    """Start a worker."""
    worker = start("worker", RETRY_BACKOFF_SECONDS="0", **environment)
    worker.wait_for_event("worker started")
    return worker


def kill(engine: Engine, worker: Running) -> None:
    """End a worker as the kernel would, and let the reaper find it dead at once."""
    worker.kill()
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            "UPDATE workers SET last_heartbeat_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR"
        )
        workers.bury(connection, dead_seconds=10)
        leases.expire(connection, leases.orphaned(connection, 100), AT_ONCE)


def wait_for_status(engine: Engine, task_id: int, *status: str) -> dict[str, Any]:
    """Wait until a task stands there, and return its row."""

    def look() -> dict[str, Any] | None:
        found = row(engine, task_id)
        return found if found["status"] in status else None

    return wait_for(look) or {}
