"""What stands around tasks in screenshots: workers, queues with limits, schedules, attempts."""

from sqlalchemy import Engine, insert, text

from schema import queues, workers
from schema.models.requests import Batch
from schema.runtime.transactions import transaction
from schema.workers import WorkerDescription
from tests.rows import WORKER, limit, rows
from tests.schedule_rows import change_schedule, make_schedule

MINUTES = 14
"""Over so many the attempts are spread."""

_ENDED_AT = f"UTC_TIMESTAMP(6) - INTERVAL CRC32(CONCAT(task_id, fence)) %% {MINUTES * 60} SECOND"

SPREAD = f"""UPDATE task_attempts SET ended_at = {_ENDED_AT},
started_at = ended_at - INTERVAL 1 + CRC32(task_id + 1) %% 19 SECOND,
available_at = started_at - INTERVAL CRC32(task_id + 2) %% 4000 * 1000 MICROSECOND
WHERE fence >= 10 OR outcome = 'succeeded'"""
EARLIER = """INSERT INTO task_attempts (task_id, fence, attempt, worker_id, available_at,
    started_at, ended_at, outcome)
SELECT task_id, fence + %s, 1, worker_id, available_at, started_at, ended_at, outcome
FROM task_attempts WHERE fence < 10 AND outcome = 'succeeded'"""


def surround(engine: Engine) -> dict[str, int]:
    """Fill the other tables, and return the number of the schedule that a page shows."""
    _employ(engine)
    _set_limits(engine)
    shown = _plan(engine)
    with transaction(engine) as connection:
        for copy in range(10, 200, 10):
            connection.exec_driver_sql(EARLIER, (copy,))
        connection.exec_driver_sql(SPREAD)
    return {"schedule": shown, "batch": _begin_batches(engine)}


def _employ(engine: Engine) -> None:
    described = (
        (WORKER, "render-1", ["*"], 10),
        ("render-2:881:1f", "render-2", ["images", "*"], 10),
        ("reports:17:c4", "reports-1", ["reports"], 2),
        ("old:4711:77", "render-1", ["*"], 10),
    )
    with transaction(engine) as connection:
        for number, (name, host, takes, slots) in enumerate(described):
            types = ["default", "http", "runninghub"]
            description = WorkerDescription(host, 800 + 31 * number, "0.1.0", takes, types, slots)
            workers.register(connection, name, description)
        workers.drain(connection, "reports:17:c4")
        workers.leave(connection, "old:4711:77")


def beat(engine: Engine) -> None:
    """Let the workers that live have beaten just now."""
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            "UPDATE workers SET last_heartbeat_at = UTC_TIMESTAMP(6) - INTERVAL 0.4 SECOND"
            " WHERE status IN ('alive', 'draining')"
        )


def _set_limits(engine: Engine) -> None:
    limit(engine, "runninghub", max_concurrency=1)
    limit(engine, "images", max_concurrency=8, rate_limit=600, rate_period_seconds=60)
    with transaction(engine) as connection:
        queues.pause(connection, "reports", "the warehouse is being loaded", seconds=5_400)


def _plan(engine: Engine) -> int:
    shown = make_schedule(
        engine,
        name="Refresh product pictures",
        task_type="refresh",
        interval=900,
        valid_time_range=[[8, "12:30"], [14, 22]],
        timezone="Asia/Shanghai",
        max_rounds=200,
    )
    make_schedule(engine, name="夜间销售报表", task_type="report", cron="30 2 * * 1-5")
    paused = make_schedule(engine, name="Tidy up the store", task_type="tidy", interval=86_400)
    make_schedule(engine, name="Invoice reminders", task_type="remind", cron="0 9 1 * *")
    change_schedule(engine, paused, "status = 'paused', next_execution_time = NULL")
    change_schedule(engine, shown, "round_num = 41")
    found = rows(engine, "SELECT id FROM tasks WHERE queue = 'images' ORDER BY id LIMIT 9")
    with transaction(engine) as connection:
        for each in found:
            connection.exec_driver_sql(
                f"UPDATE tasks SET schedule_id = {shown} WHERE id = {each['id']}"
            )
    return shown


def _begin_batches(engine: Engine) -> int:
    """Make a batch that is through, with what it could not do, and one under way."""
    failed = {"id": 7, "answer": "refused", "state": "SUCCESS", "holder_id": None}
    through = {
        "verb": "stop",
        "status": "completed",
        "filter": {"queue": ["images"], "state": ["PENDING"]},
        "reason": "a new model",
        "requested": 1_840,
        "succeeded": 1_839,
        "failures": [failed],
        "created_at": text("UTC_TIMESTAMP(6) - INTERVAL 312 SECOND"),
        "finished_at": text("UTC_TIMESTAMP(6) - INTERVAL 305 SECOND"),
    }
    running = {
        "verb": "pause",
        "filter": {"tag": ["nightly"]},
        "requested": 3_000,
        "succeeded": 3_000,
    }
    with transaction(engine) as connection:
        first = insert(Batch).values(actor="operator", last_task_id=1, **through)
        shown = connection.execute(first).lastrowid
        connection.execute(insert(Batch).values(actor="operator", last_task_id=4_212, **running))
    return int(shown)
