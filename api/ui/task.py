"""One task: how it stands, what happened to it, what it got and gave."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.refusals import found
from api.ui import shown
from api.ui.pages import PageRoute, database_of, path_of, render
from api.ui.words import language_of
from api.why import reasons_of
from schema import files, history, listing, why
from schema.file_references import references
from schema.files import FileRow
from schema.filters import TaskFilter
from schema.listing import TaskRow
from schema.shown import summary
from schema.states import WAITING, AttemptOutcome, Status
from schema.waiting import WaitsFor
from schema.why import Explanation, Standing

MOST_SAME = 100
"""How far tasks with the same class of error are counted."""

MOST_FILES = 100

MOST_SHOWN = 40_000
"""Characters of a document that a page shows; the API has the rest."""

REMEDIED_AT: Mapping[WaitsFor, str] = {
    WaitsFor.DISPATCHER: "overview",
    WaitsFor.WORKER: "workers",
    WaitsFor.WORKER_QUEUE: "workers",
    WaitsFor.WORKER_TYPE: "workers",
    WaitsFor.PAUSED_QUEUE: "queues",
    WaitsFor.MAX_CONCURRENCY: "queues",
    WaitsFor.RATE_LIMIT: "queues",
}
"""On which screen something can be done about a reason."""

PLAIN = {Standing.RUNNING, Standing.FINISHED}
"""What the rest of the page says already."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a task's life: it waited, or an attempt ran; `ends_at` None: it goes on."""

    kind: str
    began_at: datetime
    ends_at: datetime | None
    outcome: AttemptOutcome | None = None

    def seconds(self, now: datetime) -> float:
        """Return how long it took, or takes so far."""
        return ((self.ends_at or now) - self.began_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known of a task; `same`: others with its class of error, None: it has none."""

    task: TaskRow
    attempts: Rows
    events: Rows
    why: Explanation | None
    same: tuple[int, bool] | None
    files: list[FileRow]


async def task_screen(request: Request) -> Response:
    """Show a task."""
    task_id = int(request.path_params["task_id"])
    looked = await database_of(request).read(lambda connection: _look(connection, task_id))
    now = shown.now()
    spans = list(life(looked.task, looked.attempts))
    values = {
        "task": summary(looked.task),
        "attempts": looked.attempts[::-1],
        "events": looked.events[::-1],
        "reasons": _reasons(request, looked.why),
        "same": looked.same,
        "files": looked.files,
        "bars": list(_bars(spans, now)),
        "documents": _documents(looked.task),
        "stream": path_of(request, "stream_task_events", task_id=task_id),
        "address": f"{request.base_url}".rstrip("/"),
    }
    return render(request, "task.html", values)


def _reasons(request: Request, found: Explanation | None) -> Rows:
    """Return why a task is not running, where it is not plain, and where to mend it."""
    if found is None:
        return []
    zone = request.app.state.zone
    told = reasons_of(found, language_of(request), lambda value: shown.moment(value, zone))
    return [
        each | {"screen": REMEDIED_AT.get(each["code"])}
        for each in told
        if each["code"] not in PLAIN
    ]


def life(task: TaskRow, attempts: Sequence[dict[str, Any]]) -> Iterator[Span]:
    """Return the stretches of a task's life, oldest first."""
    since: datetime = task["created_at"]
    for attempt in attempts:
        if attempt["started_at"] > since:
            yield Span("waited", since, attempt["started_at"])
        outcome = AttemptOutcome(attempt["outcome"])
        yield Span("ran", attempt["started_at"], attempt["ended_at"], outcome)
        since = attempt["ended_at"]
    if task["status"] == Status.IN_PROGRESS:
        if task["started_at"] > since:
            yield Span("waited", since, task["started_at"])
        yield Span("ran", task["started_at"], None)
    elif task["status"] in WAITING:
        yield Span("waited", since, None)


def _bars(spans: Sequence[Span], now: datetime) -> Iterator[dict[str, Any]]:
    """Place the stretches on a line of 1,000; the shortest can still be seen."""
    lengths = [max(span.seconds(now), 0) for span in spans]
    least = sum(lengths) / 150 or 1
    widths = [max(length, least) for length in lengths]
    scale, at = 1_000 / (sum(widths) or 1), 0.0
    for span, length, width in zip(spans, lengths, widths, strict=True):
        yield {"span": span, "seconds": length, "x": at, "width": max(width * scale - 2, 1)}
        at += width * scale


def _look(connection: Connection, task_id: int) -> Looked:
    task = found(connection, task_id)
    return Looked(
        task,
        history.attempts(connection, task_id),
        history.events(connection, task_id),
        why.explain(connection, task_id),
        _same(connection, task),
        _files(connection, task),
    )


def _same(connection: Connection, task: TaskRow) -> tuple[int, bool] | None:
    """Count other tasks with the same class of error: up to a page, as far as one reaches."""
    if not task["error_class"]:
        return None
    wanted = TaskFilter(error_class=[task["error_class"]])
    page = listing.page(connection, wanted, limit=MOST_SAME)
    return sum(each["id"] != task["id"] for each in page.tasks), page.next is not None


def _files(connection: Connection, task: TaskRow) -> list[FileRow]:
    """Return the files that payload and result name."""
    named = {**references(task["payload"]), **references(task["result"])}
    return files.find_all(connection, list(named)[:MOST_FILES])


def _documents(task: TaskRow) -> list[tuple[str, str, bool]]:
    written = [
        (name, shown.document(task[name])) for name in listing.DETAILS if task[name] is not None
    ]
    return [(name, text[:MOST_SHOWN], len(text) > MOST_SHOWN) for name, text in written]


ROUTES = [PageRoute("/ui/tasks/{task_id:number}", task_screen)]
