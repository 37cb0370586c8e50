"""What a task that waits is waiting for."""

from enum import StrEnum

from sqlalchemy import Connection

from schema.statements import WAITS_FOR


class WaitsFor(StrEnum):
    """What has to change before a task can be claimed; the first of these that holds it back.

    The view v_waiting has the rules.

    - dispatcher: nothing at all is claimed, because the dispatcher is stopped
    - worker: no worker lives
    - worker_queue: workers live, but none takes its queue
    - worker_type: none of those that take its queue has a handler for its type
    - available_at: it is not due yet
    - paused_queue: its queue is paused
    - max_concurrency: as many of its queue are in progress as may be
    - rate_limit: as many of its queue were started in this period as may be
    - turn: nothing but a free slot of a worker that takes its queue
    """

    DISPATCHER = "dispatcher"
    WORKER = "worker"
    WORKER_QUEUE = "worker_queue"
    WORKER_TYPE = "worker_type"
    AVAILABLE_AT = "available_at"
    PAUSED_QUEUE = "paused_queue"
    MAX_CONCURRENCY = "max_concurrency"
    RATE_LIMIT = "rate_limit"
    TURN = "turn"


def waits_for(connection: Connection, task_id: int) -> WaitsFor | None:
    """Return what a task waits for; None when it does not wait, or is not there."""
    found = connection.exec_driver_sql(WAITS_FOR, (task_id,)).scalar_one_or_none()
    return None if found is None else WaitsFor(found)
