"""A system at work, for screenshots."""

from typing import Any

from sqlalchemy import Engine

from schema import batches, counts, verbs
from schema.attempts import Failed, Failure, Succeeded
from schema.endings import Backoff
from schema.runtime.transactions import transaction
from schema.states import Verb
from schema.verbs import Order
from tests.rows import change, claim, end, ended, make

WORK: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Render portrait series 0417", {"queue": "images", "tags": ["shop-88"]}),
    (
        "合成商品主图（秋季新品）",
        {"queue": "images", "tags": ["shop-88", "urgent"], "priority": "高"},
    ),
    ("Nightly sales report", {"queue": "reports", "tags": ["nightly"]}),
    ("图生视频：城市夜景 4K", {"queue": "runninghub", "priority": "高"}),
    ("Send invoice reminders", {"queue": "default", "tags": ["billing"]}),
    ("Resize uploads of shop 88", {"queue": "images", "priority": "低"}),
    ("Rebuild the search index", {"queue": "default", "priority": "低", "tags": ["nightly"]}),
)
PAYLOAD = {"scene": "city at night", "seed": 9_223_372_036_854_775_807, "frames": 240}
TRACEBACK = """Traceback (most recent call last):
  File "handlers/images.py", line 48, in render
    picture = await fetch(source)
  File "handlers/fetching.py", line 17, in fetch
    raise ConnectionError("connection to 10.0.0.8 refused")
ConnectionError: connection to 10.0.0.8 refused"""
REFUSED = Failed(Failure("ConnectionError", "connection to 10.0.0.8 refused", TRACEBACK))


def paint(engine: Engine) -> dict[str, int]:
    """Fill the tables, and return the numbers of the tasks that pages of one task show."""
    for _ in range(6):
        for title, fields in WORK:
            make(engine, title=title, payload=PAYLOAD, **fields)
    claimed = claim(engine, 26)
    end(engine, *(ended(task, Succeeded('{"ok": true}')) for task in claimed[:13]))
    end(engine, *(ended(task, REFUSED) for task in claimed[13:16]), backoff=Backoff(1_800, 3_600))
    for_good = Failed(REFUSED.failure, for_good=True)
    end(engine, *(ended(task, for_good) for task in claimed[16:19]))
    for number, task in enumerate(claimed[19:]):
        _let_run(engine, task.id, number)
    rest = _waiting(engine)
    with transaction(engine) as connection:
        verbs.apply(connection, Order(Verb.PAUSE, "operator", "until the new model"), rest[:4])
        verbs.apply(connection, Order(Verb.STOP, "operator", "not needed any more"), rest[4:7])
        later = [*rest[7:9], _of_queue(engine, "reports")]
        batches.apply(connection, Order(Verb.REORDER, "operator", None, 7_200), later)
        counts.count(connection, exactly=True)
    return {"failed": claimed[16].id, "running": claimed[20].id, "waiting": later[-1]}


def _let_run(engine: Engine, task_id: int, number: int) -> None:
    how = "stage = 'QUEUED'" if number % 3 == 0 else f"progress = {15 + 12 * number}"
    began = f"started_at = UTC_TIMESTAMP(6) - INTERVAL {17 + 41 * number} SECOND"
    change(engine, task_id, f"{how}, workflow_name = 'city-4k', node_count = {9 + number}, {began}")


def _of_queue(engine: Engine, queue: str) -> int:
    """Return the oldest task of a queue that waits."""
    with engine.connect() as connection:
        oldest = f"SELECT MIN(id) FROM tasks WHERE status = 'to_do' AND queue = '{queue}'"
        return int(connection.exec_driver_sql(oldest).scalar_one())


def _waiting(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        waiting = "SELECT id FROM tasks WHERE status = 'to_do' ORDER BY id DESC"
        return list(connection.exec_driver_sql(waiting).scalars())
