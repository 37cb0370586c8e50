"""Pages: how soon each page of the dashboard begins to come where very many tasks are."""

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert

from schema import counts, schedules, workers
from schema.models.requests import Batch
from schema.runtime.transactions import transaction
from schema.schedule_fields import ScheduleCreation
from schema.states import State
from schema.verbs import Answer
from schema.workers import WorkerDescription
from tools.bench.figures import Figure
from tools.bench.measures.lists import PAGE, fill
from tools.bench.stand import Stand
from tools.bench.statements import Record, Statement, recorded
from tools.bench.web import Api, api

FIRST_BYTE_MS = 300
STATEMENT_MS = 50

SHOWN = 500
"""Characters of a statement that is too slow."""

PAGES: Mapping[str, str] = {
    "overview, 15 min": "/ui/?period=15m",
    "overview, 1 h": "/ui/?period=1h",
    "overview, 24 h": "/ui/?period=24h",
    "overview, 7 d": "/ui/?period=7d",
    "tasks": "/ui/tasks",
    "500 tasks": "/ui/tasks?limit=500",
    "tasks, far on": "/ui/tasks?before_id={half}",
    "tasks, a state": "/ui/tasks?state=FAILED",
    "tasks, states of a queue": "/ui/tasks?state=PENDING&state=STOPPED&queue=queue-7",
    "tasks, a tag": "/ui/tasks?tag=tag+7",
    "tasks, a title": "/ui/tasks?q=task+12345",
    "tasks, a class of error": "/ui/tasks?error_class=KeyError",
    "rows": "/ui/tasks/rows?ids={few}&newest={newest}",
    "500 rows of a state": "/ui/tasks/rows?state=FAILED&limit=500&ids={many}&newest={newest}",
    "a task that waits": "/ui/tasks/{waiting}",
    "a task that runs": "/ui/tasks/{running}",
    "a task that failed": "/ui/tasks/{failed}",
    "a new task": "/ui/tasks/new",
    "a task once more": "/ui/tasks/new?like={failed}",
    "queues": "/ui/queues",
    "pause a queue": "/ui/queues/queue-7/pause",
    "dispatcher": "/ui/dispatcher",
    "workers": "/ui/workers",
    "schedules": "/ui/schedules",
    "a schedule": "/ui/schedules/1",
    "move a schedule": "/ui/schedules/1/reorder",
    "batches": "/ui/batches",
    "a batch": "/ui/batches/1",
    "progress of a batch": "/ui/batches/1/progress?total=10000",
    "login": "/ui/login",
}

SCHEDULES = 100
BATCHES = 100
RUNNING = 20
WORKER_ID = "bench:0:pages"

ATTEMPTS = f"""INSERT INTO task_attempts (task_id, fence, attempt, worker_id, available_at,
    started_at, ended_at, outcome, error_class, message)
SELECT id, 1, 1, '{WORKER_ID}', at - INTERVAL 30 SECOND, at - INTERVAL id %% 25 SECOND, at,
    IF(status = 'done', 'succeeded', 'failed'), error_class, error_class
FROM (SELECT id, status, error_class, UTC_TIMESTAMP(6)
        - INTERVAL IF(id > %s / 2, 3600 * (1 - id / %s), 604800 * (0.5 - id / %s)) SECOND AS at
    FROM tasks WHERE id BETWEEN %s AND %s AND status IN ('done', 'failed')) AS ended"""
"""The newer half of them ended within half an hour, the others before, within half a week."""

CLAIM = f"""UPDATE tasks SET status = 'in_progress', fence = 1, worker_id = '{WORKER_ID}',
    started_at = UTC_TIMESTAMP(6), lease_expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR
WHERE status = 'to_do' ORDER BY id DESC LIMIT {RUNNING}"""

NEWEST_OF = "SELECT MAX(id) FROM tasks WHERE status = %s"


@dataclass(frozen=True, slots=True)
class Pages:
    """Milliseconds to a page's first byte, and of the slowest statement behind it."""

    tasks: int = 2_000_000
    rounds: int = 9

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures; statements that are too slow are named on standard error."""
        fill(stand, self.tasks)
        with transaction(stand.engine) as connection:
            _surround(connection)
        for first in range(1, self.tasks + 1, PAGE):
            with transaction(stand.engine) as connection:
                bounds = (self.tasks, self.tasks, self.tasks, first, first + PAGE - 1)
                connection.exec_driver_sql(ATTEMPTS, bounds)
        with transaction(stand.engine) as connection:
            connection.exec_driver_sql("ANALYZE TABLE tasks, task_attempts").all()
            counts.count(connection, exactly=True)
            known = self._known(connection)
        stand.wait_until_quiet()
        figures = []
        with recorded(stand.engine) as record, api(stand) as server:
            for name, path in PAGES.items():
                figures += self._figures(server, record, name, path.format_map(known))
        return figures

    def _known(self, connection: Connection) -> Mapping[str, object]:
        """Return what stands in the addresses of pages."""
        newest = range(self.tasks, 0, -1)
        known = {"newest": self.tasks, "half": self.tasks // 2}
        listed = {"few": _list(newest[:50]), "many": _list(newest[:500])}
        for name, status in (("waiting", "to_do"), ("running", "in_progress"), ("failed",) * 2):
            known[name] = connection.exec_driver_sql(NEWEST_OF, (status,)).scalar_one()
        return known | listed

    def _figures(self, server: Api, record: Record, name: str, path: str) -> list[Figure]:
        seconds: list[float] = []
        slowest: list[Statement] = []
        for _ in range(self.rounds):
            record.forget()
            seconds.append(server.seconds_to_first_byte(path))
            slowest.append(record.slowest())
        milliseconds = statistics.median(each.milliseconds for each in slowest)
        if milliseconds > STATEMENT_MS:
            worst = max(slowest, key=lambda each: each.milliseconds)
            text = " ".join(worst.text.split())[:SHOWN]
            print(f"{path}: {worst.milliseconds:.0f} ms: {text}", file=sys.stderr)
        return [
            Figure(name, statistics.median(seconds) * 1e3, "ms", at_most=FIRST_BYTE_MS),
            Figure(f"{name}: slowest statement", milliseconds, "ms", at_most=STATEMENT_MS),
        ]


def _surround(connection: Connection) -> None:
    """Make what is around tasks: workers with work, schedules, batches."""
    described = WorkerDescription("host", 1, "0", ["*"], ["default"], RUNNING)
    workers.register(connection, WORKER_ID, described)
    connection.exec_driver_sql(CLAIM)
    for number in range(SCHEDULES):
        fields = {"name": f"schedule {number}", "cron": "30 8 * * 1-5"}
        creation = ScheduleCreation.model_validate(fields)
        schedules.create(connection, creation.columns("UTC"))
    refused = {"answer": Answer.REFUSED, "state": State.SUCCESS, "holder_id": None}
    batch = {"verb": "stop", "filter": {"queue": ["queue-7"]}, "actor": "bench", "last_task_id": 1}
    failures = [{"id": number, **refused} for number in range(1, 1_001)]
    rows = [{**batch, "failures": failures, "requested": 10_000} for _ in range(BATCHES)]
    connection.execute(insert(Batch), rows)


def _list(ids: Sequence[int]) -> str:
    return ",".join(map(str, ids))
