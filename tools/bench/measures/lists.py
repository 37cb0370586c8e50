"""Lists: what a page costs where very many tasks are, by indexed filters and by others."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from schema import listing, queues
from schema.filters import TaskFilter
from schema.listing import MOST_EXAMINED
from schema.runtime.transactions import transaction
from tools.bench.figures import Figure
from tools.bench.stand import Stand

PAGE = 50_000
"""Rows that one statement copies."""

LIMIT = 100
QUEUES = 100

FIRST = """INSERT INTO tasks (id, title, queue, created_at) VALUES
    (1, 'first', 'queue-1', UTC_TIMESTAMP(6))"""

COPY = f"""INSERT INTO tasks (id, title, status, completed_at, finished_at, queue, task_type,
    priority, account_id, schedule_id, batch_id, error_class, created_at, available_at)
SELECT number, CONCAT('task ', number), status, IF(status = 'done', now, NULL),
    IF(status = 'to_do', NULL, now), CONCAT('queue-', number %% {QUEUES}),
    CONCAT('type ', number %% 7), 1 + number %% 3, CONCAT('account ', number %% 5000),
    number %% 1000, number %% 2000, IF(status = 'failed', 'ValueError', NULL), now, now
FROM (SELECT id + %s AS number, UTC_TIMESTAMP(6) AS now,
        ELT(1 + (id + %s) DIV {QUEUES} %% 10, 'done', 'done', 'done', 'done', 'done', 'done',
            'failed', 'failed', 'cancelled', 'to_do') AS status
    FROM tasks FORCE INDEX (PRIMARY) WHERE id <= %s) AS copied"""

TAGS = "INSERT INTO tags (name) VALUES {names}"
LINK = """INSERT INTO task_tags (task_id, tag_id)
SELECT tasks.id, tags.id FROM tasks JOIN tags ON tags.name = CONCAT('tag ', tasks.id %% 20)
WHERE tasks.id BETWEEN %s AND %s"""

INDEXED: Mapping[str, TaskFilter] = {
    "all": TaskFilter(),
    "a status": TaskFilter(status=["to_do"]),
    "a state of two statuses": TaskFilter(state=["PENDING"]),
    "two statuses": TaskFilter(status=["failed", "cancelled"]),
    "a queue": TaskFilter(queue=["queue-7"]),
    "a queue and a status": TaskFilter(queue=["queue-7"], status=["done"]),
    "20 queues": TaskFilter(queue=[f"queue-{number}" for number in range(20)]),
    "an account": TaskFilter(account_id=["account 7"]),
    "50 accounts": TaskFilter(account_id=[f"account {number}" for number in range(50)]),
    "a schedule": TaskFilter(schedule_id=[7]),
    "a batch": TaskFilter(batch_id=[7]),
    "a tag": TaskFilter(tag=["tag 7"]),
    "5 tags": TaskFilter(tag=[f"tag {number}" for number in range(5)]),
    "an id": TaskFilter(q="7"),
}

WALKED: Mapping[str, TaskFilter] = {
    "a priority": TaskFilter(priority=["高"]),
    "a type that there is not": TaskFilter(task_type=["none"]),
    "a title": TaskFilter(q="task 12345"),
    "an error in a status": TaskFilter(status=["failed"], error_class=["KeyError"]),
    "two tags": TaskFilter(tag=["tag 7", "tag 8"], tag_match="all"),
    "a status of an account": TaskFilter(account_id=["account 7"], status=["to_do"]),
}


@dataclass(frozen=True, slots=True)
class Lists:
    """Milliseconds of the first page of 100, and of the 1,000th or the last, where there is none.

    By other filters than the indexed ones: of one behind three quarters of the tasks.
    """

    tasks: int = 2_000_000
    rounds: int = 9

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        fill(stand, self.tasks)
        stand.wait_until_quiet()
        figures = []
        with stand.engine.connect() as connection:
            for name, wanted in INDEXED.items():
                figures += self._pages(connection, name, wanted)
            for name, wanted in WALKED.items():
                figures += self._pages(connection, name, wanted)
                examined = _examined(connection, wanted)
                figures.append(Figure(f"{name}: rows", examined, "rows", at_most=MOST_EXAMINED))
            total = self._cost(lambda: listing.count(connection, TaskFilter(priority=["高"])))
        return [*figures, Figure("a total", total, "ms")]

    def _pages(self, connection: Connection, name: str, wanted: TaskFilter) -> list[Figure]:
        def page(before_id: int | None) -> float:
            return self._cost(
                lambda: listing.page(connection, wanted, limit=LIMIT, before_id=before_id)
            )

        is_indexed = name in INDEXED
        far = _thousandth(connection, wanted) if is_indexed else self.tasks // 4 + 1
        most = 50 if is_indexed else None
        return [
            Figure(name, page(None), "ms", at_most=most),
            Figure(f"{name}, far on", page(far), "ms", at_most=most),
        ]

    def _cost(self, work: Callable[[], object]) -> float:
        seconds = []
        for _ in range(self.rounds):
            begun = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - begun)
        return statistics.median(seconds) * 1e3


def fill(stand: Stand, tasks: int) -> None:
    """Fill empty tables with so many tasks, in all that filters tell apart."""
    stand.empty()
    with transaction(stand.engine) as connection:
        queues.ensure(connection, [f"queue-{number}" for number in range(QUEUES)])
        names = ",".join(f"('tag {number}')" for number in range(20))
        connection.exec_driver_sql(TAGS.format(names=names))
        connection.exec_driver_sql(FIRST)
    have = 1
    while have < tasks:
        step = min(have, tasks - have, PAGE)
        with transaction(stand.engine) as connection:
            connection.exec_driver_sql(COPY, (have, have, step))
            connection.exec_driver_sql(LINK, (have + 1, have + step))
        have += step
    with transaction(stand.engine) as connection:
        connection.exec_driver_sql("ANALYZE TABLE tasks, task_tags").all()


def _thousandth(connection: Connection, wanted: TaskFilter) -> int | None:
    """Return the id that the 1,000th page begins below, or the last one that is not empty."""
    before_id = None
    for _ in range(999):
        page = listing.page(connection, wanted, limit=LIMIT, before_id=before_id)
        if page.next is None or not page.tasks:
            break
        before_id = page.next.before_id
    return before_id


def _examined(connection: Connection, wanted: TaskFilter) -> int:
    """Return how many rows and index entries the server walked along for a first page."""
    connection.exec_driver_sql("FLUSH STATUS")
    listing.page(connection, wanted, limit=LIMIT)
    found = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'").all()
    counted = {"Handler_read_next", "Handler_read_prev"}
    return sum(int(row.Value) for row in found if row.Variable_name in counted)
