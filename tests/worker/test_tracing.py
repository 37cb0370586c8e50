"""Traces: enqueue -> claim -> run, linked by the traceparent of the row."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from sqlalchemy import Engine

from schema import traces
from schema.attempts import Failed, Failure, Succeeded
from schema.runtime import tracing
from schema.runtime.spans import Spans
from tests.conftest import ROOT
from tests.rows import WORKER, claim, ended, make, row
from worker.claimer import Batch
from worker.tracing import Traces

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Keeps the spans that this process makes."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(Spans(provider))
    yield exporter
    tracing.use(None)
    provider.shutdown()


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {each.name: each for each in exporter.get_finished_spans()}


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def run_one(engine: Engine, outcome: Any, *, lost: bool = False) -> None:
    """Claim a task and settle it, as a worker does for its traces."""
    active = tracing.active()
    assert active is not None
    mine = Traces(active)
    batch = mine.begin(Batch(WORKER, claim(engine), 1.0, 2.0))
    settled = [ended(task, outcome) for task in batch.tasks]
    mine.end(settled, settled if lost else [])


def test_a_task_and_its_attempt_are_one_trace(
    engine: Engine, exporter: InMemorySpanExporter
) -> None:
    (task_id,) = make(engine, queue="images", traceparent=GIVEN)
    run_one(engine, Succeeded())

    found = spans(exporter)
    enqueue, asked, ran = found["enqueue images"], found["claim images"], found["run default"]
    assert {f"{each.context.trace_id:032x}" for each in found.values()} == {GIVEN[3:35]}
    assert f"{parent_of(enqueue):016x}" == GIVEN[36:52]
    assert parent_of(asked) == enqueue.context.span_id
    assert parent_of(ran) == asked.context.span_id
    assert row(engine, task_id)["traceparent"].split("-")[2] == f"{enqueue.context.span_id:016x}"
    assert (ran.attributes or {})["rowlease.outcome"] == "succeeded"
    assert (asked.end_time or 0) - (asked.start_time or 0) == 10**9


def test_what_runs_is_given_its_own_span(engine: Engine, exporter: InMemorySpanExporter) -> None:
    make(engine)
    active = tracing.active()
    assert active is not None
    mine = Traces(active)
    [task] = mine.begin(Batch(WORKER, claim(engine), 1.0, 2.0)).tasks
    mine.end([ended(task, Succeeded())], [])

    ran = spans(exporter)["run default"]
    assert (task.traceparent or "").startswith(
        f"00-{ran.context.trace_id:032x}-{ran.context.span_id:016x}-"
    )


@pytest.mark.parametrize(("lost", "error"), [(False, "ValueError"), (True, "LeaseLost")])
def test_a_failed_attempt_is_an_error(
    engine: Engine, exporter: InMemorySpanExporter, error: str, *, lost: bool
) -> None:
    make(engine)
    run_one(engine, Failed(Failure("ValueError", "boom")), lost=lost)

    ran = spans(exporter)["run default"]
    assert ran.status.status_code is StatusCode.ERROR
    assert (ran.attributes or {})["error.type"] == error


def test_an_attempt_that_nobody_settles_is_not_kept_for_ever(
    engine: Engine, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(engine, 2, timeout_seconds=1)
    active = tracing.active()
    assert active is not None
    mine = Traces(active)
    monkeypatch.setattr("worker.tracing.GRACE_SECONDS", -5)
    for _ in range(2):
        mine.begin(Batch(WORKER, claim(engine), 1.0, 2.0))

    assert (spans(exporter)["run default"].attributes or {})["rowlease.outcome"] == "lost"


@pytest.mark.parametrize(
    "given", [None, "", "x", GIVEN.upper(), GIVEN + "-1", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"]
)
def test_what_is_no_traceparent_is_not_taken(given: str | None) -> None:
    assert traces.taken(given) is None
    assert traces.taken(traces.child_of(given)) is not None


def test_nothing_of_it_is_loaded_where_it_is_not_asked_for() -> None:
    code = (
        "import worker.__main__, reaper.__main__, sys\n"
        "from schema.runtime import tracing\n"
        "tracing.configure('web')\n"
        "assert tracing.active() is None\n"
        "loaded = [name for name in sys.modules if name.startswith('opentelemetry')]\n"
        "import api.main\n"  # FastAPI loads the interfaces where it finds them
        "sys.exit(bool(loaded) or 'schema.runtime.spans' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_where_the_library_is_missing_a_process_says_so_and_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)
    tracing.configure("worker")
    assert tracing.active() is None
