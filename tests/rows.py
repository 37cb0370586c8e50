"""Making, moving and reading rows, in as few words as a test wants to spend on it."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from schema import claims, gates, leases, tasks, verbs
from schema.attempts import Claimed, Failed, Failure, Outcome, Settlement, Succeeded
from schema.endings import Backoff
from schema.new_task import NewTask
from schema.queues import ensure
from schema.runtime.transactions import transaction
from schema.settling import settle
from schema.states import Verb
from schema.verbs import Order

WORKER = "test:1:0"
AT_ONCE = Backoff(0, 0)


def make(engine: Engine, count: int = 1, **fields: Any) -> list[int]:
    """Create tasks and return their ids."""
    title = fields.pop("title", "a task")
    with transaction(engine) as connection:
        return tasks.create(connection, [NewTask(title=title, **fields) for _ in range(count)])


def claim(
    engine: Engine,
    slots: int = 1,
    *,
    worker_id: str = WORKER,
    queues: Sequence[str] | None = None,
    hints: claims.ScanHints | None = None,
) -> list[Claimed]:
    """Claim as a worker does."""
    with transaction(engine) as connection:
        entered = gates.enter(connection, lambda names: names if queues is None else queues)
        return claims.claim(
            connection, worker_id, gates=entered, slots=slots, hints=hints or claims.ScanHints()
        )


def ended(claimed: Claimed, outcome: Outcome, *, worker_id: str = WORKER) -> Settlement:
    """Return the settlement of a claimed task, 5 ms after its start."""
    return Settlement(
        task_id=claimed.id,
        fence=claimed.fence,
        attempt=claimed.attempt,
        worker_id=worker_id,
        available_at=claimed.available_at,
        started_at=claimed.started_at,
        ended_at=claimed.started_at + timedelta(milliseconds=5),
        outcome=outcome,
    )


def end(engine: Engine, *settlements: Settlement, backoff: Backoff = AT_ONCE) -> list[Settlement]:
    """Settle and return what was refused."""
    with transaction(engine) as connection:
        return settle(connection, settlements, backoff)


def succeed(engine: Engine, *claimed: Claimed) -> list[Settlement]:
    """Settle claimed tasks as succeeded."""
    return end(engine, *(ended(task, Succeeded()) for task in claimed))


def fail(engine: Engine, *claimed: Claimed, **how: Any) -> list[Settlement]:
    """Settle claimed tasks as failed."""
    failure = Failure("ValueError", "boom", "Traceback ...")
    return end(engine, *(ended(task, Failed(failure, **how)) for task in claimed))


def remove(engine: Engine, *task_ids: int) -> list[verbs.Result]:
    """Delete tasks."""
    with transaction(engine) as connection:
        return verbs.apply(connection, Order(Verb.DELETE, "somebody"), task_ids)


def age_leases(engine: Engine, *task_ids: int) -> None:
    """Let the leases of tasks in progress be over."""
    for task_id in task_ids:
        change(engine, task_id, "lease_expires_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")


def sweep(engine: Engine, *, limit: int = 500) -> int:
    """Expire what is overdue and return how many leases that were."""
    with transaction(engine) as connection:
        return leases.expire(connection, leases.overdue(connection, limit=limit), AT_ONCE)


def change(engine: Engine, task_id: int, assignments: str) -> None:
    """Change a row as a DBA would."""
    with transaction(engine) as connection:
        connection.exec_driver_sql(f"UPDATE tasks SET {assignments} WHERE id = {task_id}")


def limit(engine: Engine, queue: str, **columns: Any) -> None:
    """Set columns of a queue as a DBA would; it comes to be if it must."""
    assignments = ", ".join(f"{name} = {value}" for name, value in columns.items())
    with transaction(engine) as connection:
        ensure(connection, [queue])
        if columns:
            connection.exec_driver_sql(f"UPDATE queues SET {assignments} WHERE name = '{queue}'")


def row(engine: Engine, task_id: int) -> dict[str, Any]:
    """Return a task's row, every column; {} when it is gone."""
    return next(iter(rows(engine, f"SELECT * FROM tasks WHERE id = {task_id}")), {})


def attempts(engine: Engine, task_id: int) -> list[dict[str, Any]]:
    """Return a task's attempts, oldest first."""
    return rows(engine, f"SELECT * FROM task_attempts WHERE task_id = {task_id} ORDER BY fence")


def rows(engine: Engine, query: str) -> list[dict[str, Any]]:
    """Return what a query finds."""
    with engine.connect() as connection:
        return [dict(found) for found in connection.exec_driver_sql(query).mappings()]


def wait_until_blocked(engine: Engine) -> None:
    """Wait until some session waits for a row lock."""
    deadline = time.monotonic() + 5
    waiting = "SELECT trx_id FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    while time.monotonic() < deadline:
        time.sleep(0.11)  # who looks sooner after another look is shown what that one saw
        if rows(engine, waiting):
            return
    raise AssertionError("nobody waited for a lock")
