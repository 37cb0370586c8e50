"""OpenTelemetry, where it is installed and an exporter is configured; else nothing of it is loaded.

A task's row carries its trace: whoever creates it writes there the span `enqueue`, of which the
spans `claim` and `run` of its attempts are children.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from schema import traces
from schema.new_task import NewTask
from schema.runtime.logging import get_logger

if TYPE_CHECKING:
    from schema.runtime.spans import Spans

log = get_logger(__name__)

_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

FLUSH_SECONDS = 2.0
"""How long the end of a process waits for a collector to take what is left."""

_active: "list[Spans]" = []


def configure(process: str) -> None:
    """Send spans where the usual variables say; without them, or the library, do nothing."""
    if not any(os.environ.get(name) for name in _VARIABLES):
        return
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    if find_spec("opentelemetry") is None:
        log.warning("no traces are sent: OpenTelemetry is not installed")
        return
    use(import_module("schema.runtime.spans").exported(process))
    log.info("traces are sent")


def use(spans: "Spans | None") -> None:
    """Let spans be made by this; None: none are."""
    _active[:] = [] if spans is None else [spans]


def active() -> "Spans | None":
    """Return what makes spans, None where none are made."""
    return _active[0] if _active else None


def given(header: str | None) -> str | None:
    """Return the traceparent of the request under way: that of its span, else what it sent."""
    spans = active()
    return (spans.current() if spans else None) or traces.taken(header)


def end() -> None:
    """Send what is left, at the end of the process."""
    if spans := active():
        flushing = threading.Thread(target=spans.close, daemon=True)
        flushing.start()
        flushing.join(FLUSH_SECONDS)


@contextmanager
def enqueueing(new: Sequence[NewTask]) -> Iterator[Sequence[NewTask]]:
    """Give the tasks that are created in the block their spans; yield them with these."""
    spans = active()
    if spans is None:
        yield new
        return
    made = [spans.enqueue(task) for task in new]
    try:
        yield [
            replace(task, traceparent=spans.traceparent(span))
            for task, span in zip(new, made, strict=True)
        ]
    finally:
        for span in made:
            span.end()
